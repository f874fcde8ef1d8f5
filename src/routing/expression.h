/*
 * Regular expressions in RE2's syntax, found anywhere in a text, case-sensitive. The only file
 * with PCRE2 behind it.
 */
#ifndef ROUTING_EXPRESSION_H
#define ROUTING_EXPRESSION_H

#include "base/arena.h"
#include "routing/syntax.h"

struct expression;

enum expression_result {
    EXPRESSION_ABSENT,
    EXPRESSION_FOUND,
    EXPRESSION_LIMIT, /* it would cost too much to know */
};

/* Compiles length bytes of UTF-8 into the arena. NULL with a problem, or without one
 * (expected: NULL) when memory ran out. */
const struct expression *expression_compile(const char *pattern, size_t length, struct arena *arena,
                                            struct syntax_problem *problem)
    __attribute__((nonnull, warn_unused_result));

/* Looks for it in UTF-8. Costs at most EXPRESSION_CPU_MS and a moment, whatever the two are. */
enum expression_result expression_find(const struct expression *expression, const char *text)
    __attribute__((nonnull));

#endif
