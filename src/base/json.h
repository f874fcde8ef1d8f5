/*
 * Strict JSON. One pass over the bytes checks the grammar of RFC 8259 and writes a repaired copy,
 * which cJSON then turns into a tree: cJSON alone accepts what is no JSON, ends strings at
 * \u0000 and loses digits.
 *
 * Repaired, because a genuine alarm must page: ill-formed UTF-8, \u0000 and lone surrogates become
 * U+FFFD; NaN, Infinity and -Infinity (Python's encoder writes them) become null; a number that a
 * double does not hold exactly becomes a string with its digits. A byte order mark at the start is
 * skipped. All else that is no JSON is refused.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

/* A member of the top-level object, as it stood in the bytes. */
struct json_member {
    const char *name;  /* decoded and repaired */
    const char *value; /* its first byte in the bytes parsed; borrowed */
    size_t length;
};

struct json {
    cJSON *root;                 /* to be read only */
    struct json_member *members; /* sorted by name; empty unless the root is an object */
    size_t member_count;
    struct arena arena; /* holds both */
};

/* Parses length bytes (they need no NUL, and must outlive json if json_exact is used). On false
 * the error is ERROR_INVALID with what was expected at which byte, and json is empty. */
bool json_parse(const char *bytes, size_t length, struct json *json, struct error *error)
    __attribute__((nonnull(3, 4), warn_unused_result));

/* Parses text that stands within a payload: false if it is no JSON, and nothing is wrong with that.
 * Out of memory is: then `failed` of the arena is set. */
bool json_parse_within(const char *text, struct json *json, struct arena *arena)
    __attribute__((nonnull, warn_unused_result));

/* Frees the tree; json may be empty. */
void json_clear(struct json *json) __attribute__((nonnull));

/* The name of a top-level member that stands there twice, or NULL. */
const char *json_duplicate(const struct json *json) __attribute__((nonnull));

/* Appends the string value of the top-level member name, decoded but not repaired: exactly the
 * bytes that were signed (\u0000 is a NUL, ill-formed bytes stay; a lone surrogate escape, which
 * stands for no bytes, is U+FFFD). False if there is no such member or it is no string. */
bool json_exact(const struct json *json, const char *name, struct text *value)
    __attribute__((nonnull));

/* Readers. Names are compared with case. All accept NULL for the object. */

const cJSON *json_get(const cJSON *object, const char *name) __attribute__((nonnull(2)));
const cJSON *json_get_ignoring_case(const cJSON *object, const char *name)
    __attribute__((nonnull(2)));

/* The string value of a member, borrowed from the tree; NULL if missing or of another type. */
const char *json_string(const cJSON *object, const char *name) __attribute__((nonnull(2)));

/* A scalar as text: a string as it is, a number in its shortest form, true, false. NULL for null,
 * arrays, objects and NULL. Lives in the tree or in the arena. */
const char *json_scalar(struct arena *arena, const cJSON *item) __attribute__((nonnull(1)));

/* Any value as compact JSON, for people; "" for NULL. */
const char *json_compact(struct arena *arena, const cJSON *item) __attribute__((nonnull(1)));

#endif
