/* All integrations at a glance: those of the configuration, and others that the store knows. */
#ifndef STATUS_SUMMARY_H
#define STATUS_SUMMARY_H

#include "alert/outcome.h"
#include "config/config.h"
#include "status/timeline.h"
#include "store/history.h"

/* What came within a span of time, and where it is now. */
struct recent {
    int64_t received, delivered, waiting, failed; /* failed: rejected or expired */
};

struct integration_summary {
    const char *name;
    const struct integration *settings; /* NULL: the configuration does not have it */
    struct ledger_record ledger;        /* since the store was made */
    int64_t refused[REFUSAL_COUNT];
    int64_t latest_ms; /* when its latest alert came; 0: none is known */
    struct recent hour, day;
    int64_t triggers, recoveries;  /* of the last week */
    int64_t destinations, failing; /* how many Flashduty keys it has, and how many keep failing */
    int64_t accepted_ms;           /* when one of them accepted something last; 0: never */
    int64_t subscriptions[SUBSCRIPTION_STATE_COUNT];
    int64_t canary_ms; /* when a canary went the whole way last; 0: never */
};

struct summary {
    struct integration_summary *items;
    size_t count;
    struct outbox_figures figures;
};

/* Reads it, and adds what happened to the timeline; without one, only what costs little is read:
 * not what came and went lately. Lives in the arena. */
bool summary_read(struct history *history, const struct config *config, int64_t now_ms,
                  struct arena *arena, struct timeline *timeline, struct summary *summary,
                  struct error *error) __attribute__((nonnull(1, 2, 4, 6, 7)));

#endif
