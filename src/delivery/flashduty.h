/*
 * Flashduty's push interface: an alert as the JSON of a standard event, and what an answer means
 * (https://docs.flashcat.cloud, "Standard Alert Event").
 */
#ifndef DELIVERY_FLASHDUTY_H
#define DELIVERY_FLASHDUTY_H

#include <stdbool.h>

#include "alert/alert.h"
#include "base/arena.h"
#include "base/text.h"

/* Appends the event as JSON. */
void flashduty_encode(const struct alert *alert, struct text *json) __attribute__((nonnull));

/* The alert that flashduty_encode made json of, but for level and time_s, which stand nowhere in
 * it. Lives in the arena. False: it is no such JSON, or memory ran out (shown in the arena). */
bool flashduty_decode(const char *json, struct arena *arena, struct alert *alert)
    __attribute__((nonnull, warn_unused_result));

/* The address to post to; it holds the key. */
const char *flashduty_url(struct arena *arena, const char *base, const char *key)
    __attribute__((nonnull));

enum verdict {
    VERDICT_ACCEPTED, /* Flashduty has it */
    VERDICT_REJECTED, /* it will not take it, however often it is asked */
    VERDICT_RETRY,    /* not now, or no answer of Flashduty's at all */
};

struct flashduty_answer {
    enum verdict verdict;
    const char *code;       /* of its error; "" if it gave none */
    const char *message;    /* of its error, or what else came; "" if accepted */
    const char *kind;       /* its code if that is one of Flashduty's, "other", or "" */
    const char *request_id; /* which its support asks for; "" if it gave none */
};

/* Judges an answer: the error code in the body decides, else the status. */
struct flashduty_answer flashduty_judge(struct arena *arena, long status, const char *body,
                                        size_t length) __attribute__((nonnull));

#endif
