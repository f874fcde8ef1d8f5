/*
 * One thread that waits for something of its own: whoever does it wakes this thread and no other.
 * A condition that many threads share wakes all of them for each one's news.
 *
 * It lives on the stack of the thread that waits, and is pointed at only under the mutex.
 */
#ifndef BASE_WAITER_H
#define BASE_WAITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct waiter {
    pthread_cond_t woken;
};

/* False if the system has no more of them. */
bool waiter_init(struct waiter *waiter) __attribute__((nonnull, warn_unused_result));
/* Nobody points at it any more. */
void waiter_clear(struct waiter *waiter) __attribute__((nonnull));

/* Under the mutex, which is let go meanwhile. Returns when woken, or for no reason; false: it is
 * until_ms on the monotonic clock. */
bool waiter_wait(struct waiter *waiter, pthread_mutex_t *mutex, int64_t until_ms)
    __attribute__((nonnull));

/* Under the mutex. NULL is allowed: nobody waits. */
void waiter_wake(struct waiter *waiter);

#endif
