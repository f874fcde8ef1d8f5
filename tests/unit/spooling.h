/*
 * A store with a spool, for tests, and its database's going away: of a file, what is no database
 * takes its place, which is as good as a server that is down; of a server's store, its schema.
 * Included once a test program, in place of storing.h.
 */
#ifndef TESTS_SPOOLING_H
#define TESTS_SPOOLING_H

#include "storing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct storing spool; /* of the store that a test is about; its `store` is NULL */

/* ---- the two stores ---- */

static inline void add_spool(struct storing *storing)
{
    struct error error = {0};
    spool = *storing;
    spool.store = NULL;
    spool.server = NULL;
    snprintf(spool.path, sizeof spool.path, "%s/spool.db", storing->folder);
    assert_true(store_add_spool(storing->store, spool.path, &error));
}

static inline int set_up_spooled(void **state, bool is_lasting)
{
    struct error error = {0};
    set_up_store(state, is_lasting);
    struct storing *storing = *state;
    add_spool(storing);
    /* Made as all are at the start, before anything is wrong. */
    assert_true(store_is_writable(storing->store, &error));
    assert_int_equal(store_spooled(storing->store), 0);
    return 0;
}

static inline int set_up_lasting_spooled(void **state)
{
    return set_up_spooled(state, true);
}

static inline int set_up_passing_spooled(void **state)
{
    return set_up_spooled(state, false);
}

static inline void restart(struct storing *storing)
{
    reopen(storing);
    add_spool(storing);
}

static inline void rename_schema(const struct storing *storing, const char *before,
                                 const char *after)
{
    char sql[256];
    snprintf(sql, sizeof sql, "ALTER SCHEMA %s%s RENAME TO %s%s", storing->schema, before,
             storing->schema, after);
    tell_server(storing, sql);
}

static inline const char *in_folder(const struct storing *storing, const char *name)
{
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", storing->folder, name);
    return path;
}

/* At once: whoever looks in between would make a store. */
static inline void exchange(const struct storing *storing)
{
    assert_int_equal(renameat2(AT_FDCWD, in_folder(storing, "gateway.db"), AT_FDCWD,
                               in_folder(storing, "away.db"), RENAME_EXCHANGE),
                     0);
}

/* Whoever has it open may have closed it, which ends its log. */
static inline void rename_log(const struct storing *storing, const char *before, const char *after)
{
    if (rename(in_folder(storing, before), in_folder(storing, after)))
        assert_int_equal(errno, ENOENT);
}

/* The file and its log under another name, and a folder in its place; of a server its schema. */
static inline void go_down(struct storing *storing)
{
    if (storing->server) {
        rename_schema(storing, "", "_away");
        return;
    }
    assert_int_equal(mkdir(in_folder(storing, "away.db"), 0700), 0);
    exchange(storing);
    rename_log(storing, "gateway.db-wal", "away.db-wal");
}

static inline void come_back(struct storing *storing)
{
    if (storing->server) {
        rename_schema(storing, "_away", "");
        return;
    }
    rename_log(storing, "away.db-wal", "gateway.db-wal");
    exchange(storing);
    assert_int_equal(rmdir(in_folder(storing, "away.db")), 0);
}

static inline bool is_down(const struct storing *storing)
{
    struct stat status;
    if (storing->server)
        return !is_store_made(storing);
    return !stat(storing->path, &status) && S_ISDIR(status.st_mode);
}

static inline int tear_down_spooled(void **state)
{
    struct storing *storing = *state;
    store_free(storing->store);
    storing->store = NULL;
    if (is_down(storing))
        come_back(storing);
    if (!storing->is_broken)
        audit(&spool);
    return tear_down_store(state);
}

#endif
