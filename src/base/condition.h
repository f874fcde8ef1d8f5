/* Conditions of threads that wait until a time on the monotonic clock. */
#ifndef BASE_CONDITION_H
#define BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* False if the system has none to give. Ended by pthread_cond_destroy. */
bool condition_init(pthread_cond_t *condition) __attribute__((nonnull, warn_unused_result));

/* Lets the mutex go until signalled, or for no reason; false: it is until_ms on the clock of
 * clock_monotonic_ms. */
bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ms)
    __attribute__((nonnull));

#endif
