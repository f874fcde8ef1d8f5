/* What is wrong in a text that a person wrote, and where. */
#ifndef ROUTING_SYNTAX_H
#define ROUTING_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

struct syntax_problem {
    size_t offset;        /* in bytes */
    const char *expected; /* a constant: what would be right there */
};

/* Returns false, for `return`. */
static inline bool syntax_fail(struct syntax_problem *problem, size_t offset, const char *expected)
{
    *problem = (struct syntax_problem){offset, expected};
    return false;
}

#endif
