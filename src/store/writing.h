/*
 * A store from inside: jobs.c hands changes to the one who writes, writing.c writes them, store.c
 * is all else. Internal to src/store.
 */
#ifndef STORE_WRITING_H
#define STORE_WRITING_H

#include <pthread.h>
#include <sys/stat.h>

#include "store/counts.h"
#include "store/internal.h"
#include "store/spool.h"

/* The lock is waited for at least so long: others hold it for moments. */
#define PATIENCE_MS_MIN 20

enum written {
    WRITTEN,
    NOT_WRITTEN,
    WRITE_AGAIN, /* not, but it may well work now */
    WRITE_APART, /* not, and which job failed is not known */
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
    struct waiter writer; /* the thread, which waits for jobs */
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

/* ---- writing.c: by whoever writes ---- */

/* Writes all of the jobs, or none, in one transaction. What failed by itself has has_worked false.
 */
enum written writing_run(struct store *store, struct job *jobs, int64_t patience_ms)
    __attribute__((nonnull(1)));

/* Whether nothing is in doubt any more. What was written after all is withdrawn, because whoever
 * asked for it was told that it was not, unless it has to be written in any case. */
bool writing_settle_doubt(struct store *store, int64_t patience_ms) __attribute__((nonnull));
/* For a process that ends soon and will not know; what has to be written can be written twice. */
void writing_forget_doubt(struct store *store) __attribute__((nonnull));

/* Undoes what nobody waits for any more, and lets go of it. */
void writing_withdraw(struct store *store, struct job *jobs) __attribute__((nonnull(1)));

/* Goes on holding a job that has to be written and was not; false: it is not held. */
bool writing_keep(struct store *store, struct job *job) __attribute__((nonnull));

/* What was counted and is to be written with the next change; given back if it was not. */
struct counts writing_take_counts(struct store *store) __attribute__((nonnull));
void writing_put_back_counts(struct store *store, const struct counts *counts)
    __attribute__((nonnull));

void writing_disconnect(struct store *store) __attribute__((nonnull));

/* ---- jobs.c ---- */

/* Under the mutex: whether nobody holds it any more, so that it may be destroyed. */
bool job_let_go(struct job *job) __attribute__((nonnull));
void job_destroy(struct job *job) __attribute__((nonnull));
void jobs_destroy(struct job *jobs);

/* Under the mutex: the writer's, in a lasting process. False if it cannot be started. */
bool jobs_start_thread(struct store *store) __attribute__((nonnull));

/* Writes what has to be written and could not be before, if it is time for it. */
void jobs_write_staying(struct store *store, int64_t patience_ms) __attribute__((nonnull));

#endif
