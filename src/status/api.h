/*
 * The figures and records of the status page as JSON, page by page: {"request_id":…,"data":{…}}.
 * `limit` says how many a page has at most; what follows is had with the parameter and value of
 * "next", which is null at the end.
 */
#ifndef STATUS_API_H
#define STATUS_API_H

#include "status/visit.h"

/* Each sets the response; on false the visit's error. */
bool api_integrations(struct visit *visit) __attribute__((nonnull));
bool api_deliveries(struct visit *visit) __attribute__((nonnull));
bool api_outbox(struct visit *visit) __attribute__((nonnull));

#endif
