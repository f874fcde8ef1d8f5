#include "base/waiter.h"

#include <time.h>

bool waiter_init(struct waiter *waiter)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic))
        return false;
    bool is_ready = !pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) &&
                    !pthread_cond_init(&waiter->woken, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return is_ready;
}

void waiter_clear(struct waiter *waiter)
{
    (void)pthread_cond_destroy(&waiter->woken);
}

bool waiter_wait(struct waiter *waiter, pthread_mutex_t *mutex, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ms > 0 ? until_ms / 1000 : 0),
                                   .tv_nsec = (long)(until_ms > 0 ? until_ms % 1000 : 0) * 1000000};
    return pthread_cond_timedwait(&waiter->woken, mutex, &until) == 0;
}

void waiter_wake(struct waiter *waiter)
{
    if (waiter)
        (void)pthread_cond_signal(&waiter->woken);
}
