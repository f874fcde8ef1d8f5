#include "workers.h"

#include "base/condition.h"

bool workers_init(struct workers *workers, int most)
{
    *workers = (struct workers){.most = most};
    if (pthread_mutex_init(&workers->lock, NULL))
        return false;
    if (condition_init(&workers->left))
        return true;
    pthread_mutex_destroy(&workers->lock);
    return false;
}

void workers_clear(struct workers *workers)
{
    pthread_cond_destroy(&workers->left);
    pthread_mutex_destroy(&workers->lock);
}

bool workers_enter(struct workers *workers, int64_t until_ms)
{
    bool is_in_time = true;
    pthread_mutex_lock(&workers->lock);
    while (workers->busy >= workers->most && is_in_time)
        is_in_time = condition_wait(&workers->left, &workers->lock, until_ms);
    bool is_free = workers->busy < workers->most;
    workers->busy += is_free;
    pthread_mutex_unlock(&workers->lock);
    return is_free;
}

void workers_leave(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->busy--;
    pthread_cond_signal(&workers->left);
    pthread_mutex_unlock(&workers->lock);
}
