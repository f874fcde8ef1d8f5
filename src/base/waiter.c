#include "base/waiter.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

bool waiter_init(struct waiter *waiter)
{
    *waiter = (struct waiter){0};
    return sem_init(&waiter->woken, 0, 0) == 0;
}

void waiter_clear(struct waiter *waiter)
{
    (void)sem_destroy(&waiter->woken);
}

struct waiter *waiters_lend(struct waiters *waiters)
{
    struct waiter *waiter = waiters->free;
    if (waiter) {
        waiters->free = waiter->next;
        /* Its last user may have had its news before it waited. */
        waiter->is_to_be_woken = false;
        while (!sem_trywait(&waiter->woken))
            ;
        return waiter;
    }
    waiter = calloc(1, sizeof *waiter);
    if (!waiter || waiter_init(waiter))
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
        waiter_clear(waiter);
        free(waiter);
    }
}

bool waiter_wait(struct waiter *waiter, pthread_mutex_t *mutex, int64_t until_ms)
{
    const int64_t ms = until_ms > 0 ? until_ms : 0;
    const struct timespec until = {.tv_sec = (time_t)(ms / 1000),
                                   .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)pthread_mutex_unlock(mutex);
    bool is_too_late = sem_clockwait(&waiter->woken, CLOCK_MONOTONIC, &until) && errno == ETIMEDOUT;
    (void)pthread_mutex_lock(mutex);
    waiter->is_to_be_woken = false;
    return !is_too_late;
}

void waiter_wake(struct waiter *waiter)
{
    (void)sem_post(&waiter->woken);
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
        waiter_wake(waiter);
    }
}
