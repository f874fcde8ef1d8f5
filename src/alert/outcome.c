#include "alert/outcome.h"

const char *const outcome_names[OUTCOME_COUNT] = {
    [OUTCOME_QUEUED] = "queued",       [OUTCOME_CONFIRMING] = "confirming",
    [OUTCOME_REJECTED] = "rejected",   [OUTCOME_EXPIRED] = "expired",
    [OUTCOME_DROPPED] = "dropped",     [OUTCOME_DELIVERED] = "delivered",
    [OUTCOME_CONFIRMED] = "confirmed", [OUTCOME_DUPLICATE] = "duplicate",
    [OUTCOME_STALE] = "stale",         [OUTCOME_UNROUTED] = "unrouted",
    [OUTCOME_IGNORED] = "ignored",     [OUTCOME_REFUSED] = "refused",
};

const char *const refusal_names[REFUSAL_COUNT] = {
    [REFUSAL_KEY] = "key",
    [REFUSAL_SIGNATURE] = "signature",
    [REFUSAL_PAYLOAD] = "payload",
    [REFUSAL_SIZE] = "size",
    [REFUSAL_CONTENT_TYPE] = "content_type",
    [REFUSAL_UNAVAILABLE] = "unavailable",
    [REFUSAL_FULL] = "full",
    [REFUSAL_UNKEPT] = "unkept",
    [REFUSAL_REJECTED] = "rejected",
};
