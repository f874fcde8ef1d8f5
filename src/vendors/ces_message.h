/*
 * A CES message on its way to an alert: which of its shapes it has, and readers of its members.
 * The readers never return NULL: "" stands for what the message does not say.
 */
#ifndef VENDORS_CES_MESSAGE_H
#define VENDORS_CES_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "vendors/ces_text.h"
#include "vendors/smn.h"

enum ces_shape {
    CES_CLASSIC,  /* CES's own body: codes and ids above, the template's fields within */
    CES_TEMPLATE, /* {"version":"v1","data":{fields}}: a content template */
    CES_FLAT,     /* the same fields at the top: a template that its users have rewritten */
    CES_FOREIGN,  /* JSON of another service */
    CES_PLAIN_TEXT,
};

struct ces_message {
    struct arena *arena;
    const struct smn_envelope *envelope;
    enum ces_shape shape;
    const cJSON *top;    /* the object that the message is; NULL for text */
    const cJSON *fields; /* where the template's fields stand; NULL if nowhere */
    const char *text;    /* the message as it came */
    struct ces_text subject_text, body_text;
    bool is_event; /* an event alarm, which never recovers */
};

/* Reads the envelope's message. `inner` is filled with the JSON that its string holds and must
 * outlive the message, as the envelope must; the caller clears it. */
void ces_message_read(struct arena *arena, const struct smn_envelope *envelope, struct json *inner,
                      struct ces_message *message) __attribute__((nonnull));

/* Whether it is an alarm of CES's, not of another service or somebody's text. */
bool ces_is_alarm(const struct ces_message *message) __attribute__((nonnull));

/* A field of the template; newer payloads spell some with other capitals. */
const char *ces_field(const struct ces_message *message, const char *name) __attribute__((nonnull));

/* A member of the object that the message is, and of an object within it. */
const char *ces_top(const struct ces_message *message, const char *name) __attribute__((nonnull));
const char *ces_nested(const struct ces_message *message, const char *object, const char *name)
    __attribute__((nonnull));

/* The first of two that says something. */
const char *ces_either(const char *a, const char *b) __attribute__((nonnull));

/* The word for the level, wherever it stands. */
const char *ces_level(const struct ces_message *message) __attribute__((nonnull));

/* What several places may tell: the rule's name, the resource's id or name, the alarm's time. */
const char *ces_rule(const struct ces_message *message) __attribute__((nonnull));
const char *ces_resource(const struct ces_message *message) __attribute__((nonnull));
bool ces_time(const struct ces_message *message, int64_t *seconds) __attribute__((nonnull));

/* The time of this event among those of its alarm, in seconds since 1970; 0 if unknown. Not always
 * ces_time(): fields that people edit, or that tell when the alarm began, order nothing. */
int64_t ces_event_time(const struct ces_message *message) __attribute__((nonnull));

/* The next pair of a list ("name:value,name:value" or "key=value,key=value"); false at its end. A
 * part without a separator belongs to the value before it. */
struct ces_pair {
    const char *name, *value;
};
bool ces_next_pair(struct arena *arena, const char **list, char separator, struct ces_pair *pair)
    __attribute__((nonnull));

#endif
