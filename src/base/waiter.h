/*
 * Threads that wait, each for something of its own: whoever does it wakes this thread and no other.
 * (A condition that many threads share wakes all of them for each one's news.)
 *
 * A semaphore each, not a condition: whoever leaves a wait for a condition marks its mutex as one
 * that others wait for, and then has to ask the kernel when it lets go of it.
 *
 * Whoever gives news marks it under the mutex and wakes after it, so that nobody wakes up only to
 * wait for the mutex. By then the waiting thread may have gone on; so waiters are lent, and live as
 * long as what lends them. One that is woken late, by somebody else's news, looks and waits again.
 */
#ifndef BASE_WAITER_H
#define BASE_WAITER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

struct waiter {
    sem_t woken;
    struct waiter *next;       /* among those that are free */
    struct waiter *next_woken; /* among those that are to be woken */
    bool is_to_be_woken;
};

/* A waiter that is one thread's for good; false if the system has none to give. Whoever has it
 * clears it when nobody wakes it any more. */
bool waiter_init(struct waiter *waiter) __attribute__((nonnull, warn_unused_result));
void waiter_clear(struct waiter *waiter) __attribute__((nonnull));

/* The waiters that are free; of a structure with a mutex, under which everything here is called but
 * waiters_wake. Zeroed at first. */
struct waiters {
    struct waiter *free;
};

/* NULL when out of memory. */
struct waiter *waiters_lend(struct waiters *waiters) __attribute__((nonnull, warn_unused_result));
void waiters_take_back(struct waiters *waiters, struct waiter *waiter) __attribute__((nonnull));
/* Frees them; none is lent any more, and nobody wakes one. */
void waiters_clear(struct waiters *waiters) __attribute__((nonnull));

/* Lets the mutex go until woken, or for no reason; false: it is until_ms on the monotonic clock. */
bool waiter_wait(struct waiter *waiter, pthread_mutex_t *mutex, int64_t until_ms)
    __attribute__((nonnull));

/* Wakes it, without the mutex. */
void waiter_wake(struct waiter *waiter) __attribute__((nonnull));

/* Adds one to a list of those to be woken, which is NULL at first. waiter may be NULL: nobody
 * waits. One thread at a time has such a list. */
void waiter_note(struct waiter *waiter, struct waiter **list) __attribute__((nonnull(2)));
/* Wakes the list, without the mutex. */
void waiters_wake(struct waiter *list);

#endif
