/*
 * RE2's syntax of regular expressions, which is what Flashduty understands: the part of it that
 * PCRE2 can be told to understand in the same way (https://github.com/google/re2/wiki/Syntax).
 */
#ifndef ROUTING_RE2_SYNTAX_H
#define ROUTING_RE2_SYNTAX_H

#include "base/text.h"
#include "routing/syntax.h"

/* Appends the length bytes of UTF-8 at pattern as PCRE2 writes the same expression. Whatever RE2
 * does not have, or means otherwise and cannot be rewritten, is a problem. */
bool re2_to_pcre2(const char *pattern, size_t length, struct text *out,
                  struct syntax_problem *problem) __attribute__((nonnull, warn_unused_result));

#endif
