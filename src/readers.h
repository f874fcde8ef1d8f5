/*
 * The threads that read requests and answer them, and the connections that wait for one. A thread
 * is started when none is free for what waits, up to `workers` that answer and as many as
 * READERS_MAX that read meanwhile.
 *
 * All but readers_new and readers_free is called by one thread, the accepting loop.
 */
#ifndef READERS_H
#define READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server.h"

/* Most connections that wait, or have sent nothing yet: each costs a descriptor. */
#define READERS_WAITING_MAX 1024

struct readers;

/* The server is borrowed. NULL, and errno says why, if the system does not give what they need. */
struct readers *readers_new(const struct server *server) __attribute__((nonnull));
/* NULL is allowed. No thread runs any more. */
void readers_free(struct readers *readers);

/* Whether one more connection may be taken besides those that wait here and as many others of the
 * caller's. If not, the descriptor of readers_wake can be read once there may be a place. */
bool readers_have_place(struct readers *readers, size_t others) __attribute__((nonnull));
int readers_wake(const struct readers *readers) __attribute__((nonnull));
void readers_wake_seen(struct readers *readers) __attribute__((nonnull));

/* Takes over a connection whose request came at arrived_ms on the monotonic clock. There is a
 * place, the connection itself counted among the others. */
void readers_take(struct readers *readers, int connection, int64_t arrived_ms)
    __attribute__((nonnull));

/* Cuts off who takes too long to send its request, and starts a thread that could not be started
 * before. To be called a few times a second. */
void readers_look(struct readers *readers, int64_t now_ms) __attribute__((nonnull));

/* Lets the threads answer all that was taken, and end. False if they had not at until_ms on the
 * monotonic clock: then nothing may be freed. */
bool readers_finish(struct readers *readers, int64_t until_ms) __attribute__((nonnull));

#endif
