#include "store/writing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/schema.h"

/* A store that cannot be opened is tried again after this. */
#define REOPEN_MS 1000
/* A transaction that met another one is run so often. */
#define TURNS_MAX 5
/* Jobs that have to stay are small; beyond this many the oldest is let go. */
#define STAYING_MAX 10000

/* ---- the connection ---- */

static void set_failure(struct store *store, const char *failure)
{
    pthread_mutex_lock(&store->mutex);
    bool was_failing = *store->failure, is_failing = *failure;
    bool is_news = was_failing != is_failing, is_spool = store->limits.is_spool;
    size_t length = strlen(failure);
    if (length >= sizeof store->failure)
        length = sizeof store->failure - 1;
    memcpy(store->failure, failure, length);
    store->failure[length] = '\0';
    pthread_mutex_unlock(&store->mutex);
    if (is_news && is_failing)
        log_event(LOG_ERROR, "the store cannot be used", "store", store->name, "reason", failure,
                  "effect",
                  store->spool ? "alerts are kept in this node's spool until it can be"
                  : is_spool   ? "without a database nothing is kept either"
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

void writing_disconnect(struct store *store)
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
    writing_disconnect(store);
    if (clock_monotonic_ms() < store->reopen_ms)
        return false;
    store->database = database_open(store->path, DATABASE_MAKE, &error);
    if (store->database && note_file(store) && schema_prepare(store->database, &error)) {
        note_connection(store, true);
        return true;
    }
    writing_disconnect(store);
    store->reopen_ms = clock_monotonic_ms() + REOPEN_MS;
    error_set(&error, ERROR_UNAVAILABLE, "the file cannot be found");
    set_failure(store, error.text);
    return false;
}

/* ---- writing ---- */

struct counts writing_take_counts(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    struct counts counts = store->counts;
    store->counts = (struct counts){0};
    pthread_mutex_unlock(&store->mutex);
    return counts;
}

void writing_put_back_counts(struct store *store, const struct counts *counts)
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
        writing_disconnect(store);
    return written;
}

static enum written commit(struct store *store, bool apart, bool is_durable, struct error *problem)
{
    struct database *database = store->database;
    struct counts counts = writing_take_counts(store);
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
    bool has_statement_failed = !apart && !database_is_broken(database);
    writing_put_back_counts(store, &counts);
    counts_clear(&counts);
    enum written written = undo(store, problem);
    return written == NOT_WRITTEN && has_statement_failed ? WRITE_APART : written;
}

/* A part of its own costs a copy of every page that a job touches, and hardly any job fails: so
 * they are written apart only when one did. */
static enum written write_once(struct store *store, struct job *jobs, bool apart,
                               int64_t patience_ms, struct error *problem)
{
    bool is_durable = false;
    if (!connect(store))
        return NOT_WRITTEN;
    struct database *database = store->database;
    if (!database_begin(database, patience_ms))
        return undo(store, problem);
    if (run_jobs(store, jobs, apart, &is_durable))
        return commit(store, apart, is_durable || store->spool, problem);
    if (apart || database_may_repeat(database))
        return undo(store, problem);
    database_rollback(database);
    return WRITE_APART;
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
        writing_disconnect(store);
    if (!is_known)
        return IN_DOUBT;
    doubt->mark.is_doubtful = false;
    if (!has_committed)
        writing_put_back_counts(store, &doubt->counts);
    counts_clear(&doubt->counts);
    return has_committed ? WRITTEN : WRITE_AGAIN;
}

static enum written write_jobs(struct store *store, struct job *jobs, int64_t patience_ms)
{
    int64_t until_ms = clock_monotonic_ms() + patience_ms, left_ms = patience_ms;
    struct error problem = {0};
    bool apart = false, goes_on = true;
    enum written written = NOT_WRITTEN;
    for (int turn = 0; goes_on && turn < TURNS_MAX; turn++) {
        problem = (struct error){0};
        written = write_once(store, jobs, apart, left_ms, &problem);
        if (written == IN_DOUBT)
            written = look_up_doubt(store, PATIENCE_MS_MIN);
        apart |= written == WRITE_APART;
        left_ms = until_ms - clock_monotonic_ms();
        goes_on = written == WRITE_APART || (written == WRITE_AGAIN && left_ms > 0);
        left_ms = left_ms > PATIENCE_MS_MIN ? left_ms : PATIENCE_MS_MIN;
    }
    if (written != WRITTEN && *problem.text)
        set_failure(store, problem.text);
    return written;
}

void writing_withdraw(struct store *store, struct job *jobs)
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

bool writing_keep(struct store *store, struct job *job)
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

bool writing_settle_doubt(struct store *store, int64_t patience_ms)
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
        } else if (!writing_keep(store, job)) {
            job_free(store, job);
        }
    }
    writing_withdraw(store, withdrawn);
    return true;
}

enum written writing_run(struct store *store, struct job *jobs, int64_t patience_ms)
{
    for (struct job *job = jobs; job; job = job->next)
        job->has_worked = false;
    enum written written = writing_settle_doubt(store, patience_ms)
                               ? write_jobs(store, jobs, patience_ms)
                               : NOT_WRITTEN;
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

void writing_forget_doubt(struct store *store)
{
    if (store->doubt.mark.is_doubtful)
        writing_put_back_counts(store, &store->doubt.counts);
    counts_clear(&store->doubt.counts);
    store->doubt.mark.is_doubtful = false;
}
