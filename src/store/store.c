#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/counts.h"
#include "store/internal.h"
#include "store/place.h"
#include "store/schema.h"
#include "store/spool.h"

/* A store that cannot be opened is tried again after this. */
#define REOPEN_MS 1000
/* What has to be written, and could not be, is tried again after this. */
#define REWRITE_MS 500
/* A request waits this much longer than for the lock: for those before it. */
#define QUEUE_PATIENCE_MS 100
/* The lock is waited for at least so long: others hold it for moments. */
#define PATIENCE_MS_MIN 20
/* A transaction that met another one is run so often. */
#define TURNS_MAX 5
/* Jobs that have to stay are small; beyond this many the oldest is let go. */
#define STAYING_MAX 10000

enum written {
    WRITTEN,
    NOT_WRITTEN,
    WRITE_AGAIN, /* not, but it may well work now */
    IN_DOUBT,    /* the server was lost while it committed */
};

/* Changes of which it is not known whether they were written, and who asked for them was told that
 * they were not. Nothing else is written before that is known. */
struct doubt {
    struct database_commit_mark mark; /* is_doubtful: there are such */
    struct job *jobs;
    struct counts counts;
};

struct store {
    char *path;
    struct arena arena;
    const char *name; /* of path, to be shown */
    bool is_server, is_lasting;
    struct spool *spool; /* NULL: none */
    int lead;            /* the lock file's descriptor while this process drains; -1 else */

    pthread_mutex_t mutex;
    pthread_cond_t submitted;
    struct waiters waiters;

    /* Under the mutex. */
    struct store_limits limits;
    struct job *jobs, **jobs_end;
    struct counts counts;
    bool is_stopping, has_thread, is_connected;
    bool is_down;      /* see store_is_down */
    char failure[512]; /* why it cannot be used; "" while it can */
    pthread_t thread;

    /* The writer's. */
    struct database *database;
    dev_t device;
    ino_t inode;
    int64_t reopen_ms, rewrite_ms;
    struct doubt doubt;
    struct job *staying, **staying_end;
    size_t staying_count;
};

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

/* Under the mutex. */
static bool let_go(struct job *job)
{
    return --job->holders == 0;
}

static void destroy(struct job *job)
{
    arena_clear(&job->arena);
    free(job);
}

void job_free(struct store *store, struct job *job)
{
    if (!job)
        return;
    pthread_mutex_lock(&store->mutex);
    bool is_last = let_go(job);
    pthread_mutex_unlock(&store->mutex);
    if (is_last)
        destroy(job);
}

/* ---- the connection ---- */

static void set_failure(struct store *store, const char *failure)
{
    pthread_mutex_lock(&store->mutex);
    bool was_failing = *store->failure, is_failing = *failure;
    bool is_news = was_failing != is_failing;
    size_t length = strlen(failure);
    if (length >= sizeof store->failure)
        length = sizeof store->failure - 1;
    memcpy(store->failure, failure, length);
    store->failure[length] = '\0';
    pthread_mutex_unlock(&store->mutex);
    if (is_news && is_failing)
        log_event(LOG_ERROR, "the store cannot be used", "store", store->name, "reason", failure,
                  "effect",
                  store->spool             ? "alerts are kept in this node's spool until it can be"
                  : store->limits.is_spool ? "without a database nothing is kept either"
                                           : "alerts go out without it; what Flashduty does not "
                                             "accept is 503",
                  NULL);
    else if (is_news)
        log_event(LOG_INFO, "the store can be used again", "store", store->name, NULL);
}

static void note_connection(struct store *store, bool is_connected)
{
    pthread_mutex_lock(&store->mutex);
    store->is_connected = is_connected;
    pthread_mutex_unlock(&store->mutex);
}

/* Only where the writer's thread looks whether it is up again. */
static void set_down(struct store *store, bool is_down)
{
    pthread_mutex_lock(&store->mutex);
    store->is_down = is_down && store->spool && store->is_lasting;
    pthread_mutex_unlock(&store->mutex);
}

bool store_is_down(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    bool is_down = store->is_down;
    pthread_mutex_unlock(&store->mutex);
    return is_down;
}

static void disconnect(struct store *store)
{
    note_connection(store, false);
    database_close(store->database);
    store->database = NULL;
}

bool store_may_be_read(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    bool may_be_read = !store->is_server || store->is_connected;
    pthread_mutex_unlock(&store->mutex);
    return may_be_read;
}

/* Whether the file is still the one that was opened: one that was moved away keeps nothing. */
static bool is_same_file(const struct store *store)
{
    struct stat status;
    if (store->is_server)
        return true;
    return !stat(store->path, &status) && status.st_dev == store->device &&
           status.st_ino == store->inode;
}

static bool note_file(struct store *store)
{
    struct stat status;
    if (store->is_server)
        return true;
    if (stat(store->path, &status))
        return false;
    store->device = status.st_dev;
    store->inode = status.st_ino;
    return true;
}

static bool connect(struct store *store)
{
    struct error error = {0};
    if (store->database && is_same_file(store))
        return true;
    disconnect(store);
    if (clock_monotonic_ms() < store->reopen_ms)
        return false;
    store->database = database_open(store->path, DATABASE_MAKE, &error);
    if (store->database && note_file(store) && schema_prepare(store->database, &error)) {
        note_connection(store, true);
        return true;
    }
    disconnect(store);
    store->reopen_ms = clock_monotonic_ms() + REOPEN_MS;
    error_set(&error, ERROR_UNAVAILABLE, "the file cannot be found");
    set_failure(store, error.text);
    return false;
}

/* ---- writing ---- */

static struct counts take_counts(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    struct counts counts = store->counts;
    store->counts = (struct counts){0};
    pthread_mutex_unlock(&store->mutex);
    return counts;
}

static void put_back_counts(struct store *store, const struct counts *counts)
{
    pthread_mutex_lock(&store->mutex);
    counts_add_all(&store->counts, counts);
    pthread_mutex_unlock(&store->mutex);
}

/* Runs the jobs. apart: each in a part of its own, so that one that fails takes nobody along; else
 * false as soon as one fails. */
static bool run_jobs(struct store *store, struct job *jobs, bool apart, bool *is_durable)
{
    struct database *database = store->database;
    pthread_mutex_lock(&store->mutex);
    const struct store_limits limits = store->limits;
    pthread_mutex_unlock(&store->mutex);
    for (struct job *job = jobs; job; job = job->next) {
        job->is_durable = false;
        if (apart)
            database_save(database);
        job->run(job, database, &limits);
        job->has_worked =
            !job->arena.failed && (apart ? database_release(database) : !database_failed(database));
        if (!job->has_worked && (!apart || database_may_repeat(database)))
            return false;
        if (!job->has_worked) {
            set_failure(store, job->arena.failed ? "out of memory" : database_failure(database));
            database_take_back(database);
        }
        if (database_is_lost(database))
            return false;
        *is_durable |= job->has_worked && job->is_durable;
    }
    return true;
}

/* Takes everything back; the connection, too, if it is of no more use. */
static enum written undo(struct store *store, struct error *problem)
{
    struct database *database = store->database;
    enum written written = database_may_repeat(database) ? WRITE_AGAIN : NOT_WRITTEN;
    error_set(problem, ERROR_UNAVAILABLE, "%s", database_failure(database));
    database_rollback(database);
    if (database_is_broken(database))
        disconnect(store);
    return written;
}

static enum written commit(struct store *store, bool is_durable, struct error *problem)
{
    struct database *database = store->database;
    struct counts counts = take_counts(store);
    counts_write(&counts, database);
    if (database_commit(database, is_durable)) {
        counts_clear(&counts);
        return WRITTEN;
    }
    const struct database_commit_mark mark = database_last_commit(database);
    if (mark.is_doubtful) {
        store->doubt = (struct doubt){mark, NULL, counts};
        (void)undo(store, problem);
        return IN_DOUBT;
    }
    put_back_counts(store, &counts);
    counts_clear(&counts);
    return undo(store, problem);
}

static enum written write_once(struct store *store, struct job *jobs, int64_t patience_ms,
                               struct error *problem)
{
    bool is_durable = false;
    if (!connect(store))
        return NOT_WRITTEN;
    struct database *database = store->database;
    if (!database_begin(database, patience_ms))
        return undo(store, problem);
    /* A part of its own costs a copy of every page that a job touches, and hardly any job fails. */
    bool is_whole = run_jobs(store, jobs, false, &is_durable);
    if (!is_whole && database_may_repeat(database))
        return undo(store, problem);
    if (!is_whole) {
        database_rollback(database);
        is_durable = false;
        is_whole =
            database_begin(database, patience_ms) && run_jobs(store, jobs, true, &is_durable);
    }
    return is_whole ? commit(store, is_durable || store->spool, problem) : undo(store, problem);
}

/* What has become of what is in doubt, once whoever had begun it has ended; it is settled then, but
 * for its jobs. */
static enum written look_up_doubt(struct store *store, int64_t patience_ms)
{
    struct doubt *doubt = &store->doubt;
    if (!connect(store))
        return IN_DOUBT;
    struct database *database = store->database;
    bool has_committed =
        database_begin(database, patience_ms) && database_has_committed(database, &doubt->mark);
    bool is_known = !database_failed(database);
    database_rollback(database);
    if (database_is_broken(database))
        disconnect(store);
    if (!is_known)
        return IN_DOUBT;
    doubt->mark.is_doubtful = false;
    if (!has_committed)
        put_back_counts(store, &doubt->counts);
    counts_clear(&doubt->counts);
    return has_committed ? WRITTEN : WRITE_AGAIN;
}

static enum written write_jobs(struct store *store, struct job *jobs, int64_t patience_ms)
{
    int64_t until_ms = clock_monotonic_ms() + patience_ms, left_ms = patience_ms;
    struct error problem = {0};
    enum written written = WRITE_AGAIN;
    for (int turn = 0; written == WRITE_AGAIN && turn < TURNS_MAX && left_ms > 0; turn++) {
        problem = (struct error){0};
        written = write_once(store, jobs, left_ms, &problem);
        if (written == IN_DOUBT)
            written = look_up_doubt(store, PATIENCE_MS_MIN);
        left_ms = until_ms - clock_monotonic_ms();
    }
    if (written != WRITTEN && *problem.text)
        set_failure(store, problem.text);
    return written;
}

/* Undoes what nobody waits for any more. */
static void withdraw(struct store *store, struct job *jobs)
{
    struct database *database = store->database;
    bool is_begun = jobs && database && database_begin(database, STORE_PATIENCE_MS);
    for (struct job *job = jobs; job && is_begun; job = job->next)
        job->withdraw(job, database);
    if (is_begun && !database_commit(database, false))
        database_rollback(database);
    for (struct job *job = jobs, *next; job; job = next) {
        next = job->next;
        job_free(store, job);
    }
}

/* The writer goes on holding the job; false: it does not. */
static bool keep_staying(struct store *store, struct job *job)
{
    if (job->has_worked || !job->must_stay || store->staying_count == STAYING_MAX)
        return false;
    job->is_staying = true;
    job->next = NULL;
    *store->staying_end = job;
    store->staying_end = &job->next;
    store->staying_count++;
    return true;
}

/* Whether nothing is in doubt any more. What was written after all is withdrawn, because whoever
 * asked for it was told that it was not, unless it has to be written in any case. */
static bool settle_doubt(struct store *store, int64_t patience_ms)
{
    struct job *withdrawn = NULL;
    if (!store->doubt.mark.is_doubtful)
        return true;
    enum written written = look_up_doubt(store, patience_ms);
    if (written == IN_DOUBT)
        return false;
    struct job *jobs = store->doubt.jobs;
    store->doubt.jobs = NULL;
    for (struct job *job = jobs, *next; job; job = next) {
        next = job->next;
        job->has_worked = written == WRITTEN;
        if (job->has_worked && job->withdraw && !job->must_stay) {
            job->next = withdrawn;
            withdrawn = job;
        } else if (!keep_staying(store, job)) {
            job_free(store, job);
        }
    }
    withdraw(store, withdrawn);
    return true;
}

/* All of them, or none. What failed by itself has has_worked false. */
static enum written write_together(struct store *store, struct job *jobs, int64_t patience_ms)
{
    for (struct job *job = jobs; job; job = job->next)
        job->has_worked = false;
    enum written written =
        settle_doubt(store, patience_ms) ? write_jobs(store, jobs, patience_ms) : NOT_WRITTEN;
    set_down(store, written != WRITTEN);
    bool is_all_well = written == WRITTEN;
    for (struct job *job = jobs; job; job = job->next) {
        job->has_worked = job->has_worked && written == WRITTEN;
        is_all_well &= job->has_worked;
    }
    if (is_all_well)
        set_failure(store, "");
    return written;
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
        if (keep_staying(store, job))
            continue;
        if (is_undone) {
            job->next = withdrawn;
            withdrawn = job;
        } else if (let_go(job)) {
            destroy(job);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    waiters_wake(woken);
    return withdrawn;
}

static void write_staying(struct store *store, int64_t patience_ms)
{
    struct job *jobs = store->staying;
    if (!jobs || clock_monotonic_ms() < store->rewrite_ms)
        return;
    store->staying = NULL;
    store->staying_end = &store->staying;
    store->staying_count = 0;
    enum written written = write_together(store, jobs, patience_ms);
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
    struct timespec until = {.tv_sec = until_ms / 1000,
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    int result = 0;
    while (!store->jobs && !store->is_stopping && result == 0)
        result = pthread_cond_timedwait(&store->submitted, &store->mutex, &until);
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
        (void)settle_doubt(store, jobs ? PATIENCE_MS_MIN : STORE_PATIENCE_MS);
        write_staying(store, jobs ? PATIENCE_MS_MIN : STORE_PATIENCE_MS);
        enum written written = WRITTEN;
        if (jobs || has_counts)
            written = write_together(store, jobs, patience_of(jobs));
        if (written == IN_DOUBT)
            publish_doubt(store, jobs);
        else
            withdraw(store, publish(store, jobs));
        if (store->database)
            database_tidy(store->database, DATABASE_STAYS);
    }
    return NULL;
}

static bool start_thread(struct store *store)
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
    (void)let_go(job);
}

static bool run_by_thread(struct store *store, struct job *job)
{
    pthread_mutex_lock(&store->mutex);
    /* What is known to be down is not waited for. */
    int64_t patience_ms = store->is_down ? 0 : STORE_PATIENCE_MS + QUEUE_PATIENCE_MS;
    int64_t until_ms = clock_monotonic_ms() + patience_ms;
    struct waiter *waiter = waiters_lend(&store->waiters);
    bool is_started = waiter && start_thread(store) && !store->is_stopping, is_in_time = true;
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
        pthread_cond_signal(&store->submitted);
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

/* A process that ends soon will not know; what has to be written can be written twice. */
static void forget_doubt(struct store *store)
{
    if (store->doubt.mark.is_doubtful)
        put_back_counts(store, &store->doubt.counts);
    counts_clear(&store->doubt.counts);
    store->doubt.mark.is_doubtful = false;
}

bool job_run(struct store *store, struct job *job)
{
    if (job->arena.failed)
        return false;
    if (store->is_lasting)
        return run_by_thread(store, job);
    (void)write_together(store, job, STORE_PATIENCE_MS);
    /* A fault of a moment: what was accepted is tried again at once, and before the process ends.
     */
    forget_doubt(store);
    if (!job->has_worked && job->must_stay)
        (void)write_together(store, job, PATIENCE_MS_MIN);
    forget_doubt(store);
    job->is_over = true;
    bool has_worked = job->has_worked;
    if (keep_staying(store, job))
        job->holders++;
    return has_worked;
}

static bool init_locks(struct store *store)
{
    pthread_condattr_t monotonic;
    bool is_ready = !pthread_condattr_init(&monotonic) &&
                    !pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) &&
                    !pthread_mutex_init(&store->mutex, NULL) &&
                    !pthread_cond_init(&store->submitted, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return is_ready;
}

struct store *store_new(const char *path, const struct store_limits *limits, bool is_lasting,
                        struct error *error)
{
    struct store *store = calloc(1, sizeof *store);
    if (store)
        store->path = strdup(path);
    if (store)
        store->name = store_place_name(&store->arena, path);
    if (!store || !store->path || store->arena.failed || !init_locks(store)) {
        if (store) {
            arena_clear(&store->arena);
            free(store->path);
        }
        free(store);
        error_out_of_memory(error);
        return NULL;
    }
    store->limits = *limits;
    store->is_server = store_is_server(path);
    store->is_lasting = is_lasting;
    store->lead = -1;
    store->jobs_end = &store->jobs;
    store->staying_end = &store->staying;
    return store;
}

bool store_add_spool(struct store *store, const char *path, struct error *error)
{
    store->spool = spool_new(path, &store->limits, store->is_lasting, error);
    return store->spool;
}

struct spool *store_spool(const struct store *store)
{
    return store->spool;
}

const char *store_spool_path(const struct store *store)
{
    return store->spool ? store_path(spool_store(store->spool)) : NULL;
}

/* What could not be written is counted by the spool. */
static void hand_counts_over(struct store *store)
{
    struct store *spool = store->spool ? spool_store(store->spool) : NULL;
    if (!spool)
        return;
    struct counts counts = take_counts(store);
    put_back_counts(spool, &counts);
    pthread_mutex_lock(&spool->mutex);
    if (spool->is_lasting && counts.first)
        (void)start_thread(spool);
    pthread_mutex_unlock(&spool->mutex);
    counts_clear(&counts);
}

static void destroy_all(struct job *jobs)
{
    for (struct job *job = jobs, *next; job; job = next) {
        next = job->next;
        destroy(job);
    }
}

void store_free(struct store *store)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->mutex);
    store->is_stopping = true;
    pthread_cond_signal(&store->submitted);
    pthread_mutex_unlock(&store->mutex);
    if (store->has_thread)
        pthread_join(store->thread, NULL);
    store->rewrite_ms = store->reopen_ms = 0;
    (void)settle_doubt(store, STORE_PATIENCE_MS);
    write_staying(store, STORE_PATIENCE_MS);
    destroy_all(store->staying);
    destroy_all(store->doubt.jobs);
    counts_clear(&store->doubt.counts);
    if (store->database)
        database_tidy(store->database, store->is_lasting ? DATABASE_ENDS : DATABASE_CLOSES);
    disconnect(store);
    store_follow(store);
    hand_counts_over(store);
    spool_free(store->spool);
    counts_clear(&store->counts);
    waiters_clear(&store->waiters);
    pthread_cond_destroy(&store->submitted);
    pthread_mutex_destroy(&store->mutex);
    arena_clear(&store->arena);
    free(store->path);
    free(store);
}

void store_set_limits(struct store *store, const struct store_limits *limits)
{
    pthread_mutex_lock(&store->mutex);
    bool is_spool = store->limits.is_spool;
    store->limits = *limits;
    store->limits.is_spool = is_spool;
    pthread_mutex_unlock(&store->mutex);
    if (store->spool)
        store_set_limits(spool_store(store->spool), limits);
}

const char *store_path(const struct store *store)
{
    return store->path;
}

const char *store_name(const struct store *store)
{
    return store->name;
}

/* ---- small jobs ---- */

static void run_probe(struct job *job, struct database *database, const struct store_limits *limits)
{
    (void)job;
    (void)limits;
    database_run(database,
                 "INSERT INTO fact VALUES ('probes', 1) ON CONFLICT (name) DO UPDATE"
                 " SET value = fact.value + 1",
                 "");
}

bool is_writable_here(struct store *store, struct error *error)
{
    struct job *job = job_new(sizeof *job, run_probe);
    if (!job)
        return error_out_of_memory(error);
    bool is_writable = job_run(store, job);
    job_free(store, job);
    if (is_writable)
        return true;
    pthread_mutex_lock(&store->mutex);
    error_set(error, ERROR_UNAVAILABLE, "%s",
              *store->failure ? store->failure : "nothing could be written in time");
    pthread_mutex_unlock(&store->mutex);
    return false;
}

static void run_nothing(struct job *job, struct database *database,
                        const struct store_limits *limits)
{
    (void)job;
    (void)database;
    (void)limits;
}

/* What is counted is written with the next change, or by itself within a moment. */
static void count(struct store *store, const struct counted *what)
{
    pthread_mutex_lock(&store->mutex);
    bool is_for_spool = store->is_down;
    if (!is_for_spool)
        counts_add(&store->counts, what, 1);
    if (store->is_lasting)
        (void)start_thread(store);
    pthread_mutex_unlock(&store->mutex);
    if (is_for_spool)
        count(spool_store(store->spool), what);
}

static bool write_counts(struct store *store)
{
    struct job *job = job_new(sizeof *job, run_nothing);
    bool is_written = job && job_run(store, job);
    job_free(store, job);
    return is_written;
}

/* In a process that ends soon it is written now. */
static void count_for_good(struct store *store, const struct counted *what, const char *words)
{
    count(store, what);
    if (store->is_lasting || write_counts(store))
        return;
    hand_counts_over(store);
    if (!store->spool || !write_counts(spool_store(store->spool)))
        log_event(LOG_WARNING, "not counted", "integration", what->integration, "outcome", words,
                  NULL);
}

void store_count(struct store *store, const char *integration, enum outcome outcome)
{
    const struct counted what = {COUNTED_OUTCOME, (int)outcome, integration};
    count_for_good(store, &what, outcome_names[outcome]);
}

void store_refuse(struct store *store, const char *integration, enum refusal refusal)
{
    const struct counted what = {COUNTED_REFUSAL, (int)refusal, integration};
    count_for_good(store, &what, outcome_names[OUTCOME_REFUSED]);
}

void store_count_unrecorded(struct store *store, const char *integration)
{
    const struct counted what = {COUNTED_UNRECORDED, 0, integration};
    count(store, &what);
}

/* ---- who drains ---- */

int drain_lock(const char *path)
{
    struct stat status;
    char name[4096];
    int length = snprintf(name, sizeof name, "%s-drain", path);
    if (length < 0 || (size_t)length >= sizeof name || stat(path, &status))
        return -1;
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return -1;
    /* Made by root it would keep out whom the store belongs to. */
    bool is_theirs = geteuid() != 0 || !fchown(file, status.st_uid, status.st_gid);
    if (is_theirs && !flock(file, LOCK_EX | LOCK_NB))
        return file;
    close(file);
    return -1;
}

bool store_lead(struct store *store)
{
    if (store->spool) {
        /* A count makes it. */
        if (access(store_spool_path(store), F_OK))
            (void)store_spooled(store);
        return store_lead(spool_store(store->spool));
    }
    if (store->lead < 0 && !store->is_server)
        store->lead = drain_lock(store->path);
    return store->lead >= 0 || store->is_server;
}

void store_follow(struct store *store)
{
    if (store->spool)
        store_follow(spool_store(store->spool));
    if (store->lead >= 0)
        close(store->lead);
    store->lead = -1;
}
