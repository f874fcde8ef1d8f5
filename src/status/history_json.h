/* What stands in a store as JSON, and the names in it: the same for the command line and the API.
 */
#ifndef STATUS_HISTORY_JSON_H
#define STATUS_HISTORY_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "store/history.h"

/* "default" for the default route. */
const char *route_name(const char *route) __attribute__((nonnull));

/* "rejected,expired" as bits; 0 if that is not what it is. */
unsigned delivery_states(const char *text) __attribute__((nonnull));
#define DELIVERY_STATES_HELP                                                               \
    "one or more of waiting, sending, rejected, expired, dropped, delivered, with commas " \
    "between them"

/* "accepted", "failed", … */
const char *verdict_name(enum try_verdict verdict);

/* Begins an object, in a list or alone; members follow, then '}'. */
void json_begin(struct text *out) __attribute__((nonnull));
void json_put_name(struct text *out, const char *name) __attribute__((nonnull));
void json_put_text(struct text *out, const char *name, const char *value)
    __attribute__((nonnull(1, 2)));
void json_put_number(struct text *out, const char *name, int64_t value) __attribute__((nonnull));
void json_put_bool(struct text *out, const char *name, bool value) __attribute__((nonnull));
/* 0 is null. */
void json_put_time(struct text *out, const char *name, int64_t ms) __attribute__((nonnull));

/* The members of a delivery; its tries as the member "tries". */
void json_put_delivery(struct text *out, const struct delivery_record *record)
    __attribute__((nonnull));
bool json_put_tries(struct text *out, struct history *history, int64_t delivery_id,
                    struct error *error) __attribute__((nonnull));

/* The members of a node. */
void json_put_node(struct text *out, const struct node_record *record) __attribute__((nonnull));

/* The members of a line of the ledger, and of the figures of the outbox. */
void json_put_ledger(struct text *out, const struct ledger_record *record) __attribute__((nonnull));
void json_put_figures(struct text *out, const struct outbox_figures *figures)
    __attribute__((nonnull));

#endif
