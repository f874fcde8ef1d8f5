/* What the page shows, part by part. Internal to src/status. */
#ifndef STATUS_VIEWS_H
#define STATUS_VIEWS_H

#include "status/page.h"
#include "status/summary.h"

/* ---- integrations.c ---- */

/* The table of integrations. */
void put_integrations(struct page *page, const struct summary *summary) __attribute__((nonnull));
/* What is probably wrong, and what would mend it. */
void put_hints(struct page *page, const struct summary *summary) __attribute__((nonnull));
/* Subscriptions that wait to be confirmed, or were given up. */
bool put_confirmations(struct page *page) __attribute__((nonnull));

/* ---- nodes.c ---- */

/* The nodes that share the store, and those that are silent; nothing where one machine has it. */
bool put_nodes(struct page *page) __attribute__((nonnull));
bool put_silent_nodes(struct page *page) __attribute__((nonnull));

/* ---- deliveries.c ---- */

/* What waits or needs a person, with buttons. */
bool put_outbox(struct page *page, const struct outbox_figures *figures) __attribute__((nonnull));
/* What the query looks for, with the form to look for it. is_alone: it is the whole page. */
bool put_search(struct page *page, const struct summary *summary, bool is_alone)
    __attribute__((nonnull));
/* All that is known of one delivery. False without an error: there is none. */
bool put_delivery(struct page *page, int64_t id) __attribute__((nonnull));

#endif
