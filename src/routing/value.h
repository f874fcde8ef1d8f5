/*
 * A value of a filter condition: what a field is compared with. Forms are Flashduty's
 * (https://docs.flashcat.cloud, "filter conditions"): exact, wildcard, existence, /expression/,
 * cidr:NETWORK, num:gt|ge|lt|le:NUMBER.
 */
#ifndef ROUTING_VALUE_H
#define ROUTING_VALUE_H

#include <stdbool.h>

#include "base/arena.h"
#include "routing/expression.h"
#include "routing/syntax.h"

enum value_kind {
    VALUE_EXACT,
    VALUE_EXISTS,
    VALUE_WILDCARD,
    VALUE_EXPRESSION,
    VALUE_NETWORK,
    VALUE_NUMBER,
};

enum comparison { COMPARISON_GT, COMPARISON_GE, COMPARISON_LT, COMPARISON_LE };

/* An IPv6 network; IPv4 ones are those of ::ffff:0:0/96. */
struct network {
    unsigned char address[16];
    unsigned bits;
};

struct filter_value {
    enum value_kind kind;
    const char *text; /* EXACT, WILDCARD (a backslash before what stands for itself) */
    const struct expression *expression;
    struct network network;
    enum comparison comparison;
    double number;
};

enum match { MATCH_NO, MATCH_YES, MATCH_LIMIT };

/* Reads the length bytes at text, trimmed and not empty. False with a problem; out of memory shows
 * in the arena. */
bool value_parse(const char *text, size_t length, struct arena *arena, struct filter_value *value,
                 struct syntax_problem *problem) __attribute__((nonnull, warn_unused_result));

/* LIMIT: an expression that would cost too much to look for. */
enum match value_match(const struct filter_value *value, const char *field)
    __attribute__((nonnull));

/* Whether it lets through whatever there is, as far as a few odd samples can show. */
bool value_takes_anything(const struct filter_value *value) __attribute__((nonnull));

#endif
