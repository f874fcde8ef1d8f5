/* The places of a process's workers: how many requests are in hand at once. */
#ifndef WORKERS_H
#define WORKERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t left;
    int most, busy;
};

bool workers_init(struct workers *workers, int most) __attribute__((nonnull, warn_unused_result));
void workers_clear(struct workers *workers) __attribute__((nonnull));

/* Waits for a place until a time on the monotonic clock. False if there was none. */
bool workers_enter(struct workers *workers, int64_t until_ms)
    __attribute__((nonnull, warn_unused_result));

/* Gives the place back. */
void workers_leave(struct workers *workers) __attribute__((nonnull));

#endif
