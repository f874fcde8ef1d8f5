/*
 * The figures and records of the status page as JSON, page by page: {"request_id":…,"data":{…}}.
 * The parameter `limit` says how many a page has at most; "next" is what has to stand in the query
 * for the page behind it, or null.
 */
#ifndef STATUS_API_H
#define STATUS_API_H

#include "status/visit.h"

/* Each sets the response; on false the visit's error. */
bool api_integrations(struct visit *visit) __attribute__((nonnull));
bool api_deliveries(struct visit *visit) __attribute__((nonnull));
bool api_outbox(struct visit *visit) __attribute__((nonnull));
bool api_nodes(struct visit *visit) __attribute__((nonnull));

#endif
