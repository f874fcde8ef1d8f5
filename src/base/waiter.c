#include "base/waiter.h"

#include <stdlib.h>

#include "base/condition.h"

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
    if (!waiter || condition_init(&waiter->woken))
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
    bool is_in_time = condition_wait(&waiter->woken, mutex, until_ms);
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
