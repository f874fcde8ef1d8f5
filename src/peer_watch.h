/*
 * Watches that a peer sends its request in time: a time-out of the connection starts anew with
 * every byte. Whoever reads begins and ends the watch; another thread looks in now and then.
 */
#ifndef PEER_WATCH_H
#define PEER_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct peer_watch {
    pthread_mutex_t lock;
    int descriptor; /* a copy of the connection's; -1: nothing is watched */
    int64_t arrived_ms;
};

bool peer_watch_init(struct peer_watch *watch) __attribute__((nonnull, warn_unused_result));
/* Nothing is watched any more. */
void peer_watch_clear(struct peer_watch *watch) __attribute__((nonnull));

/* A request that came at arrived_ms on the monotonic clock is read from here on. Without a free
 * descriptor it is not watched. */
void peer_watch_begin(struct peer_watch *watch, int connection, int64_t arrived_ms)
    __attribute__((nonnull));
/* It is read; more than one call does no harm. */
void peer_watch_end(struct peer_watch *watch) __attribute__((nonnull));

/* Cuts off a peer that has taken longer than RECEIVE_TIMEOUT_MS: reads end as if it had gone. */
void peer_watch_look(struct peer_watch *watch, int64_t now_ms) __attribute__((nonnull));

#endif
