#include "alert/outcome.h"

const char *const outcome_names[OUTCOME_COUNT] = {
    [OUTCOME_QUEUED] = "queued",       [OUTCOME_CONFIRMING] = "confirming",
    [OUTCOME_REJECTED] = "rejected",   [OUTCOME_EXPIRED] = "expired",
    [OUTCOME_DROPPED] = "dropped",     [OUTCOME_DELIVERED] = "delivered",
    [OUTCOME_CONFIRMED] = "confirmed", [OUTCOME_DUPLICATE] = "duplicate",
    [OUTCOME_STALE] = "stale",         [OUTCOME_UNROUTED] = "unrouted",
    [OUTCOME_IGNORED] = "ignored",     [OUTCOME_REFUSED] = "refused",
};
