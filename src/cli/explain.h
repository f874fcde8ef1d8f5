/* Why an alert goes where it goes: every route, filter and condition, with the value that was seen.
 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "alert/alert.h"
#include "base/arena.h"
#include "base/text.h"
#include "config/config.h"

/* Appends the explanation for a person. path: of the configuration. */
void explain_in_words(const struct integration *integration, const char *path,
                      const struct alert *alert, struct arena *arena, struct text *out)
    __attribute__((nonnull));

/* Appends it as an object. */
void explain_as_json(const struct integration *integration, const struct alert *alert,
                     struct arena *arena, struct text *out) __attribute__((nonnull));

/* "payments (77ab…)"; in JSON as the members "route" and "key". */
void put_chosen(struct text *out, const struct destination *destination) __attribute__((nonnull));
void json_put_chosen(struct text *out, const char *name, const struct choice *choice)
    __attribute__((nonnull));

#endif
