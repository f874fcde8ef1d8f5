/*
 * Accepting many requests, under FastCGI, from the listening socket that the process inherits as
 * descriptor 0.
 *
 * Threads come on demand. A connection costs a thread only once it has sent something, and counts
 * against `workers` only once its request is read whole; a peer that stays silent or drips is cut
 * off. Who has spoken is answered, by 503 once its deadline has passed. What finds no place waits
 * in the socket's backlog, and that time counts too.
 *
 * SIGTERM, SIGUSR1 and SIGINT end the process after what is in flight is answered
 * (SHUTDOWN_TIMEOUT_MS); under CGI they end it at once.
 */
#ifndef ACCEPTOR_H
#define ACCEPTOR_H

#include <stdbool.h>

#include "server.h"

/* Sets up signals: call it first, once, before any thread is made. Returns whether the process was
 * started as plain CGI, where there is nothing to accept; see cgi.h. */
bool acceptor_prepare(void);

/* Under FastCGI: accepts until the process is to end. Returns its exit status. */
int acceptor_run(const struct server *server) __attribute__((nonnull));

#endif
