#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/writing.h"

/* What has to be written, and could not be, is tried again after this. */
#define REWRITE_MS 500
/* A request waits this much longer than for the lock: for those before it. */
#define QUEUE_PATIENCE_MS 100

/* ---- jobs ---- */

void *job_new(size_t size,
              void (*run)(struct job *, struct database *, const struct store_limits *))
{
    struct job *job = calloc(1, size);
    if (!job)
        return NULL;
    job->run = run;
    job->holders = 1;
    return job;
}

bool job_let_go(struct job *job)
{
    return --job->holders == 0;
}

void job_destroy(struct job *job)
{
    arena_clear(&job->arena);
    free(job);
}

void job_free(struct store *store, struct job *job)
{
    if (!job)
        return;
    pthread_mutex_lock(&store->mutex);
    bool is_last = job_let_go(job);
    pthread_mutex_unlock(&store->mutex);
    if (is_last)
        job_destroy(job);
}

void jobs_destroy(struct job *jobs)
{
    for (struct job *job = jobs, *next; job; job = next) {
        next = job->next;
        job_destroy(job);
    }
}

/* ---- the writer's thread ---- */

/* What is in doubt stays with the writer; that it has worked nobody can say. */
static void publish_doubt(struct store *store, struct job *jobs)
{
    struct waiter *woken = NULL;
    pthread_mutex_lock(&store->mutex);
    store->doubt.jobs = jobs;
    for (struct job *job = jobs; job; job = job->next) {
        job->is_over = job->is_staying = true;
        waiter_note(job->waiter, &woken);
    }
    pthread_mutex_unlock(&store->mutex);
    waiters_wake(woken);
}

/* Tells who waits; a job that nobody waits for any more is undone. */
static struct job *publish(struct store *store, struct job *jobs)
{
    struct job *withdrawn = NULL;
    struct waiter *woken = NULL;
    pthread_mutex_lock(&store->mutex);
    for (struct job *job = jobs, *next; job; job = next) {
        next = job->next;
        job->is_over = true;
        waiter_note(job->waiter, &woken);
        bool is_undone = job->is_abandoned && job->has_worked && job->withdraw;
        if (writing_keep(store, job))
            continue;
        if (is_undone) {
            job->next = withdrawn;
            withdrawn = job;
        } else if (job_let_go(job)) {
            job_destroy(job);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    waiters_wake(woken);
    return withdrawn;
}

void jobs_write_staying(struct store *store, int64_t patience_ms)
{
    struct job *jobs = store->staying;
    if (!jobs || clock_monotonic_ms() < store->rewrite_ms)
        return;
    store->staying = NULL;
    store->staying_end = &store->staying;
    store->staying_count = 0;
    enum written written = writing_run(store, jobs, patience_ms);
    if (!jobs->has_worked)
        store->rewrite_ms = clock_monotonic_ms() + REWRITE_MS;
    if (written == IN_DOUBT)
        publish_doubt(store, jobs);
    else
        (void)publish(store, jobs);
}

static struct job *take_jobs(struct store *store)
{
    struct job *jobs = store->jobs;
    for (struct job *job = jobs; job; job = job->next)
        job->is_running = true;
    store->jobs = NULL;
    store->jobs_end = &store->jobs;
    return jobs;
}

static void wait_for_jobs(struct store *store, int64_t patience_ms)
{
    int64_t until_ms = clock_monotonic_ms() + patience_ms;
    bool is_in_time = true;
    while (!store->jobs && !store->is_stopping && is_in_time)
        is_in_time = waiter_wait(&store->writer, &store->mutex, until_ms);
}

/* What is left of the first one's patience: whoever came while others waited for the lock waits no
 * longer than they did, and is told what can be known without it. */
static int64_t patience_of(const struct job *jobs)
{
    int64_t left_ms = jobs ? jobs->until_ms - clock_monotonic_ms() : STORE_PATIENCE_MS;
    return left_ms > PATIENCE_MS_MIN ? left_ms : PATIENCE_MS_MIN;
}

static void *write_for_all(void *context)
{
    struct store *store = context;
    bool is_stopping = false;
    while (!is_stopping) {
        pthread_mutex_lock(&store->mutex);
        wait_for_jobs(store, REWRITE_MS);
        is_stopping = store->is_stopping;
        struct job *jobs = take_jobs(store);
        /* What is down is tried: nobody else does it. */
        bool has_counts = store->counts.first != NULL || store->is_down;
        pthread_mutex_unlock(&store->mutex);
        (void)writing_settle_doubt(store, jobs ? PATIENCE_MS_MIN : STORE_PATIENCE_MS);
        jobs_write_staying(store, jobs ? PATIENCE_MS_MIN : STORE_PATIENCE_MS);
        enum written written = WRITTEN;
        if (jobs || has_counts)
            written = writing_run(store, jobs, patience_of(jobs));
        if (written == IN_DOUBT)
            publish_doubt(store, jobs);
        else
            writing_withdraw(store, publish(store, jobs));
        if (store->database)
            database_tidy(store->database, DATABASE_STAYS);
    }
    return NULL;
}

bool jobs_start_thread(struct store *store)
{
    sigset_t all, before;
    if (store->has_thread)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    store->has_thread = pthread_create(&store->thread, NULL, write_for_all, store) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return store->has_thread;
}

/* ---- the caller's side ---- */

/* Under the mutex. A job that was not begun is taken back, unless it has to be done anyway. */
static void give_up(struct store *store, struct job *job)
{
    job->is_abandoned = true;
    if (job->is_running || job->must_stay)
        return;
    struct job **place = &store->jobs;
    while (*place && *place != job)
        place = &(*place)->next;
    if (!*place)
        return;
    *place = job->next;
    if (!job->next)
        store->jobs_end = place;
    job->is_over = true;
    (void)job_let_go(job);
}

static bool run_by_thread(struct store *store, struct job *job)
{
    pthread_mutex_lock(&store->mutex);
    /* What is known to be down is not waited for. */
    int64_t patience_ms = store->is_down ? 0 : STORE_PATIENCE_MS + QUEUE_PATIENCE_MS;
    int64_t until_ms = clock_monotonic_ms() + patience_ms;
    struct waiter *waiter = waiters_lend(&store->waiters);
    bool is_started = waiter && jobs_start_thread(store) && !store->is_stopping, is_in_time = true;
    bool is_first = !store->jobs;
    if (is_started) {
        job->until_ms = patience_ms ? until_ms - QUEUE_PATIENCE_MS : until_ms;
        job->waiter = waiter;
        job->holders++;
        *store->jobs_end = job;
        store->jobs_end = &job->next;
    }
    pthread_mutex_unlock(&store->mutex);
    /* The writer takes all there is when it comes. */
    if (is_started && is_first)
        waiter_wake(&store->writer);
    pthread_mutex_lock(&store->mutex);
    while (is_started && !job->is_over && is_in_time)
        is_in_time = waiter_wait(waiter, &store->mutex, until_ms);
    job->waiter = NULL;
    if (waiter)
        waiters_take_back(&store->waiters, waiter);
    /* One that stays may be under way again. */
    bool has_worked = is_started && job->is_over && !job->is_staying && job->has_worked;
    if (is_started && !job->is_over) {
        give_up(store, job);
        store->is_down = store->spool;
    }
    pthread_mutex_unlock(&store->mutex);
    return has_worked;
}

bool job_run(struct store *store, struct job *job)
{
    if (job->arena.failed)
        return false;
    if (store->is_lasting)
        return run_by_thread(store, job);
    (void)writing_run(store, job, STORE_PATIENCE_MS);
    /* A fault of a moment: what was accepted is tried again at once, and before the process ends.
     */
    writing_forget_doubt(store);
    if (!job->has_worked && job->must_stay)
        (void)writing_run(store, job, PATIENCE_MS_MIN);
    writing_forget_doubt(store);
    job->is_over = true;
    bool has_worked = job->has_worked;
    if (writing_keep(store, job))
        job->holders++;
    return has_worked;
}
