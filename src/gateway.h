/*
 * The main path: a request becomes an alert, an alert becomes deliveries, a delivery becomes an
 * answer. One gateway serves one vendor's endpoint, or the status endpoint.
 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include <stdbool.h>

#include "config/config.h"
#include "delivery/drainer.h"
#include "net/transport.h"
#include "request.h"
#include "response.h"
#include "store/store.h"
#include "trust/certificates.h"
#include "vendors/vendor.h"

struct gateway {
    const struct vendor *vendor; /* NULL: the status endpoint's */
    const struct config *config; /* NULL: broken, every request is answered 503 */
    struct transport *transport;
    struct certificates *certificates;
    struct store *store;     /* NULL: there is none */
    struct drainer *drainer; /* NULL: nothing drains in this process */
};

/* Answers one request, and writes its line to the log. context: the struct gateway. */
void gateway_handle(void *context, struct request *request, struct response *response)
    __attribute__((nonnull));

/* Answers whether alarms can be taken now: /healthz. */
void gateway_answer_health(const struct gateway *gateway, struct response *response)
    __attribute__((nonnull));

/* Applies an integration's own severities and labels to an alert of its vendor. */
void gateway_apply_integration(const struct integration *integration, struct arena *arena,
                               struct alert *alert) __attribute__((nonnull));

#endif
