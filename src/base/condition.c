#include "base/condition.h"

#include <time.h>

bool condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic))
        return false;
    bool is_ready = !pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) &&
                    !pthread_cond_init(condition, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return is_ready;
}

bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ms)
{
    const int64_t ms = until_ms > 0 ? until_ms : 0;
    const struct timespec until = {.tv_sec = (time_t)(ms / 1000),
                                   .tv_nsec = (long)(ms % 1000) * 1000000};
    return pthread_cond_timedwait(condition, mutex, &until) == 0;
}
