/*
 * Serving: one request under plain CGI, many under FastCGI on the listening socket that the
 * process inherits as descriptor 0. Which of the two it is shows at start.
 *
 * Under FastCGI threads come on demand. A connection costs a thread only once it has sent
 * something, and counts against `workers` only once its request is read whole; a peer that stays
 * silent or drips is cut off. Who has spoken is answered, by 503 once its deadline has passed. What
 * finds no place waits in the socket's backlog, and that time counts too.
 *
 * SIGTERM, SIGUSR1 and SIGINT end the process after what is in flight is answered
 * (SHUTDOWN_TIMEOUT_MS); under CGI they end it at once.
 */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>
#include <stddef.h>

#include "request.h"
#include "response.h"

/* What may change between two requests. */
struct server_limits {
    size_t max_body_bytes; /* longest body */
    long patience_ms;      /* how long after its arrival a request may wait for a worker */
};

struct server {
    /* Answers one request. Called from several threads. */
    void (*handle)(void *context, struct request *request, struct response *response);
    /* FastCGI: told once that the end has begun, while requests in flight go on. */
    void (*end)(void *context);
    /* The limits of the next request. Called from several threads. */
    struct server_limits (*limits)(void *context);
    void *context;
    int workers; /* most requests in `handle` at once */
};

/* Whether the process was started as plain CGI. Sets up signals: call it first, once, before any
 * thread is made. */
bool serve_is_cgi(void);

/* Serves until there is nothing more to serve. Returns the process's exit status. */
int serve(const struct server *server) __attribute__((nonnull));

#endif
