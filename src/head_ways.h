/*
 * The way of a request's head to libfcgi, which reads it from a descriptor: a pipe, used again by
 * the next request, because a file in memory for each costs as much as all else of reading it.
 */
#ifndef HEAD_WAYS_H
#define HEAD_WAYS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* So many are lent at once, for each takes descriptors: who wants one more waits, not for long, as
 * nobody waits for anything meanwhile who has one. */
#define HEAD_WAYS_MAX 4

struct head_way {
    int out; /* what the head is read from, without ever waiting; -1: there is none */
    int in;  /* of a pipe; -1 of a file in memory, which takes a head that no pipe holds */
};

struct head_ways {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct head_way free[HEAD_WAYS_MAX];
    size_t count, lent;
};

bool head_ways_init(struct head_ways *ways) __attribute__((nonnull, warn_unused_result));
void head_ways_clear(struct head_ways *ways) __attribute__((nonnull));

/* A way with the head in it. out is -1, and errno says why, if there can be none. */
struct head_way head_ways_lend(struct head_ways *ways, const struct text *head)
    __attribute__((nonnull));

/* The head was read to its end. */
void head_ways_take_back(struct head_ways *ways, struct head_way way) __attribute__((nonnull));
/* It was not; whoever read it has closed `out`. */
void head_ways_drop(struct head_ways *ways, struct head_way way) __attribute__((nonnull));

#endif
