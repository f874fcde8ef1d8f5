/* What cgi.h and serve.h bring requests to. */
#ifndef SERVER_H
#define SERVER_H

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

#endif
