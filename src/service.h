/*
 * The service of one endpoint: a gateway with all that it needs. In a process that lasts it takes
 * up a changed configuration by itself, between requests: what is under way ends with the one that
 * it began with.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "delivery/drainer.h"
#include "gateway.h"
#include "serve.h"

struct service;

/* What an endpoint is. */
struct service_kind {
    const char *name;            /* in the log */
    const struct vendor *vendor; /* NULL: the status endpoint has none */
    void (*handle)(void *gateway, struct request *request, struct response *response);
};

/* Reads the configuration and opens what it names. A lasting service serves many requests. NULL,
 * after a line in the log, if nothing can be served. */
struct service *service_new(const struct service_kind *kind, bool is_lasting)
    __attribute__((nonnull));

/* NULL is allowed. */
void service_free(struct service *service);

/* Of a lasting one: begins to drain the store, and to look for changes once a second. */
void service_start(struct service *service) __attribute__((nonnull));

/* For struct server. Handling may go on in several threads. */
void service_handle(void *context, struct request *request, struct response *response)
    __attribute__((nonnull));
struct server_limits service_limits(void *context) __attribute__((nonnull));
int service_workers(const struct service *service) __attribute__((nonnull));

/* Begins nothing new besides requests. */
void service_end(void *context) __attribute__((nonnull));

/* The store; NULL if there is none. */
struct store *service_store(const struct service *service) __attribute__((nonnull));

/* What draining needs, after the store was told today's keys; false if there is nothing to drain
 * with. Not for a lasting one. */
bool service_drain_means(const struct service *service, struct drain_means *means)
    __attribute__((nonnull));

/* Keeps the configuration as the last valid one, unless that is done. */
void service_keep_configuration(struct service *service) __attribute__((nonnull));

#endif
