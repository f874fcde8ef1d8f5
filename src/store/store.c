#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "store/place.h"
#include "store/writing.h"

static bool init_locks(struct store *store)
{
    return !pthread_mutex_init(&store->mutex, NULL) && waiter_init(&store->writer);
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
    struct counts counts = writing_take_counts(store);
    writing_put_back_counts(spool, &counts);
    pthread_mutex_lock(&spool->mutex);
    if (spool->is_lasting && counts.first)
        (void)jobs_start_thread(spool);
    pthread_mutex_unlock(&spool->mutex);
    counts_clear(&counts);
}

void store_free(struct store *store)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->mutex);
    store->is_stopping = true;
    pthread_mutex_unlock(&store->mutex);
    waiter_wake(&store->writer);
    if (store->has_thread)
        pthread_join(store->thread, NULL);
    store->rewrite_ms = store->reopen_ms = 0;
    (void)writing_settle_doubt(store, STORE_PATIENCE_MS);
    jobs_write_staying(store, STORE_PATIENCE_MS);
    jobs_destroy(store->staying);
    jobs_destroy(store->doubt.jobs);
    counts_clear(&store->doubt.counts);
    if (store->database)
        database_tidy(store->database, store->is_lasting ? DATABASE_ENDS : DATABASE_CLOSES);
    writing_disconnect(store);
    store_follow(store);
    hand_counts_over(store);
    spool_free(store->spool);
    counts_clear(&store->counts);
    waiters_clear(&store->waiters);
    waiter_clear(&store->writer);
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
        (void)jobs_start_thread(store);
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
        const char *path = store_spool_path(store);
        if (path && access(path, F_OK))
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
