#include "base/waiter.h"

#include <stdlib.h>
#include <time.h>

static bool init(struct waiter *waiter)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic))
        return false;
    bool is_ready = !pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) &&
                    !pthread_cond_init(&waiter->woken, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return is_ready;
}

struct waiter *waiters_lend(struct waiters *waiters)
{
    struct waiter *waiter = waiters->free;
    if (waiter) {
        waiters->free = waiter->next;
        /* Its last user may have had its news before it waited. */
        waiter->is_to_be_woken = false;
        return waiter;
    }
    waiter = calloc(1, sizeof *waiter);
    if (!waiter || init(waiter))
        return waiter;
    free(waiter);
    return NULL;
}

void waiters_take_back(struct waiters *waiters, struct waiter *waiter)
{
    waiter->next = waiters->free;
    waiters->free = waiter;
}

void waiters_clear(struct waiters *waiters)
{
    for (struct waiter *waiter; (waiter = waiters->free);) {
        waiters->free = waiter->next;
        (void)pthread_cond_destroy(&waiter->woken);
        free(waiter);
    }
}

bool waiter_wait(struct waiter *waiter, pthread_mutex_t *mutex, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ms > 0 ? until_ms / 1000 : 0),
                                   .tv_nsec = (long)(until_ms > 0 ? until_ms % 1000 : 0) * 1000000};
    bool is_in_time = pthread_cond_timedwait(&waiter->woken, mutex, &until) == 0;
    waiter->is_to_be_woken = false;
    return is_in_time;
}

void waiter_note(struct waiter *waiter, struct waiter **list)
{
    if (!waiter || waiter->is_to_be_woken)
        return;
    waiter->is_to_be_woken = true;
    waiter->next_woken = *list;
    *list = waiter;
}

void waiters_wake(struct waiter *list)
{
    for (struct waiter *waiter = list, *next; waiter; waiter = next) {
        next = waiter->next_woken;
        (void)pthread_cond_signal(&waiter->woken);
    }
}
