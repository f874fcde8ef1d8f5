/*
 * A store with a spool, for tests, and its database's going away: of a file, what is no database
 * takes its place, which is as good as a server that is down; of a server's store, its schema.
 * Included once a test program, in place of storing.h.
 */
#ifndef TESTS_SPOOLING_H
#define TESTS_SPOOLING_H

#include "storing.h"

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

/* The file and its log under another name, and what is no database in their place; of a server the
 * schema. */
static inline void go_down(struct storing *storing)
{
    char command[2048];
    if (storing->server) {
        snprintf(command, sizeof command, "ALTER SCHEMA %s RENAME TO %s_away", storing->schema,
                 storing->schema);
        tell_server(storing, command);
        return;
    }
    snprintf(command, sizeof command, "cd %s && mv gateway.db away.db && %s && mkdir gateway.db",
             storing->folder, "if [ -e gateway.db-wal ]; then mv gateway.db-wal away.db-wal; fi");
    assert_int_equal(system(command), 0);
}

static inline void come_back(struct storing *storing)
{
    char command[2048];
    if (storing->server) {
        snprintf(command, sizeof command, "ALTER SCHEMA %s_away RENAME TO %s", storing->schema,
                 storing->schema);
        tell_server(storing, command);
        return;
    }
    snprintf(command, sizeof command, "cd %s && rmdir gateway.db && mv away.db gateway.db && %s",
             storing->folder, "if [ -e away.db-wal ]; then mv away.db-wal gateway.db-wal; fi");
    assert_int_equal(system(command), 0);
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
