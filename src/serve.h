/* Requests under FastCGI, each on a connection of its own. The only file that knows libfcgi. */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "head_ways.h"
#include "peer_watch.h"
#include "server.h"
#include "workers.h"

/* Whether the process was started as plain CGI: descriptor 0 is no listening socket. First called
 * once handlers of signals are set, which libfcgi then leaves alone. */
bool serve_is_cgi(void);

/* What the requests of a process share. */
struct serving {
    const struct server *server;
    struct workers workers;
    struct head_ways ways;
};

bool serving_init(struct serving *serving, const struct server *server)
    __attribute__((nonnull, warn_unused_result));
/* No request is in hand any more. */
void serving_clear(struct serving *serving) __attribute__((nonnull));

/* Reads the request that came at arrived_ms on the monotonic clock, watched while it is read,
 * answers it and closes the connection. A peer that sends no request gets no answer. */
void serve_connection(struct serving *serving, int connection, int64_t arrived_ms,
                      struct peer_watch *watch) __attribute__((nonnull));

#endif
