/*
 * Text: a growing buffer, and the operations on UTF-8 that mapping and answers need.
 * A buffer whose allocation failed stays empty and `failed`; appending to it does nothing, so
 * a caller looks once, at the end.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct text {
    char *data; /* NUL-terminated when not NULL */
    size_t length, size;
    bool failed;
};

void text_append(struct text *text, const char *bytes, size_t length) __attribute__((nonnull(1)));
void text_puts(struct text *text, const char *string) __attribute__((nonnull));
void text_putc(struct text *text, char byte) __attribute__((nonnull));
void text_printf(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull));

/* Appends string as a JSON string, quoted and escaped (RFC 8259, 7); NULL as null. */
void text_json(struct text *text, const char *string) __attribute__((nonnull(1)));

/* The content; "" when empty or failed. Borrowed until the next change. */
const char *text_string(const struct text *text) __attribute__((nonnull));

/* Copies the content into the arena and clears the buffer; a failure passes on to the arena. */
const char *text_into(struct text *text, struct arena *arena) __attribute__((nonnull));

/* Wipes and frees; the buffer can be used again. */
void text_clear(struct text *text) __attribute__((nonnull));

/* The length in bytes of the well-formed UTF-8 sequence at the start of bytes; 0 if there is none
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
size_t utf8_sequence(const char *bytes, size_t length) __attribute__((nonnull));

/* How many bytes from `at` on, before end, may stand in a JSON string as they are. */
size_t text_plain_length(const char *at, const char *end) __attribute__((nonnull));

/* Appends code point as UTF-8; U+FFFD for what is none. */
void text_code_point(struct text *text, unsigned code_point) __attribute__((nonnull));

/* Characters (code points) in a well-formed string. */
size_t utf8_length(const char *string) __attribute__((nonnull));

/* string if it has at most limit characters, else its first limit - 1 and an ellipsis. */
const char *utf8_cut(struct arena *arena, const char *string, size_t limit)
    __attribute__((nonnull));

/* ASCII letters compared without case; other bytes as they are. */
bool text_equal_ignoring_case(const char *a, const char *b) __attribute__((nonnull));

/* string with every occurrence of secret (not empty) as "…": for what others say of our keys. */
const char *text_mask(struct arena *arena, const char *string, const char *secret)
    __attribute__((nonnull));

/* string without white space (ASCII, U+3000) at both ends. */
const char *text_trim(struct arena *arena, const char *string) __attribute__((nonnull));

#endif
