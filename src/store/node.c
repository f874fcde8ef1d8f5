/* Who shares the store: each process writes down now and then that it is there. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/history_internal.h"
#include "store/internal.h"
#include "store/place.h"

#define MACHINE_ID "/etc/machine-id"
#define NODE_ID_LENGTH 8
#define HOST_SIZE 256

/* ---- signing ---- */

struct sign_job {
    struct job job;
    const char *node, *host, *program;
    int64_t running_ms, spooled;
};

static void read_machine_id(char *id, size_t size)
{
    FILE *file = fopen(MACHINE_ID, "re");
    size_t length = file ? fread(id, 1, size - 1, file) : 0;
    if (file)
        fclose(file);
    id[length] = '\0';
}

/* The same whenever it is asked: of one machine or container, and of each store folder on it. */
static const char *node_id(struct arena *arena, const char *host, const char *folder)
{
    char machine[64], digest[SHA256_HEX_SIZE];
    read_machine_id(machine, sizeof machine);
    const char *all = arena_printf(arena, "%s\n%s\n%s", machine, host, folder);
    return sha256_hex(all, strlen(all), digest) ? arena_copy(arena, digest, NODE_ID_LENGTH) : host;
}

static void run_sign(struct job *job, struct database *database, const struct store_limits *limits)
{
    const struct sign_job *sign = (const struct sign_job *)job;
    int64_t now_ms = database_wall_ms(database);
    (void)limits;
    database_run(database,
                 "INSERT INTO node (node, program, host, version, since_ms, seen_ms, spooled)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (node, program) DO UPDATE SET"
                 " host = excluded.host, version = excluded.version, since_ms = excluded.since_ms,"
                 " seen_ms = excluded.seen_ms, spooled = excluded.spooled",
                 "ttttiii", sign->node, sign->program, sign->host, VERSION,
                 now_ms - sign->running_ms, now_ms, sign->spooled);
}

void store_sign(struct store *store, const char *program, int64_t running_ms)
{
    char host[HOST_SIZE] = "";
    const char *spool = store_spool_path(store);
    struct sign_job *sign =
        store_is_server(store_path(store)) ? job_new(sizeof *sign, run_sign) : NULL;
    if (!sign)
        return;
    if (gethostname(host, sizeof host - 1) || !*host)
        (void)snprintf(host, sizeof host, "localhost");
    struct arena *arena = &sign->job.arena;
    sign->node = node_id(arena, host, spool ? spool : "");
    sign->host = arena_string(arena, host);
    sign->program = arena_string(arena, program);
    sign->running_ms = running_ms;
    sign->spooled = store_spooled(store);
    if (!job_run(store, &sign->job))
        log_event(LOG_DEBUG, "no sign of life could be given", "store", store_name(store), NULL);
    job_free(store, &sign->job);
}

/* ---- looking ---- */

static struct node_record read_node(const struct rows *rows, struct arena *arena, int64_t now_ms)
{
    struct node_record record = {
        .node = arena_string(arena, rows_text(rows, 0)),
        .program = arena_string(arena, rows_text(rows, 1)),
        .host = arena_string(arena, rows_text(rows, 2)),
        .version = arena_string(arena, rows_text(rows, 3)),
        .since_ms = rows_number(rows, 4),
        .seen_ms = rows_number(rows, 5),
        .spooled = rows_number(rows, 6),
    };
    record.is_silent = record.seen_ms < now_ms - (int64_t)NODE_SILENT_S * 1000;
    return record;
}

bool history_nodes(struct history *history,
                   bool (*show)(void *context, const struct node_record *record), void *context,
                   struct error *error)
{
    struct arena arena = {0};
    struct node_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    int64_t now_ms = database_wall_ms(history->database);
    struct rows rows = database_query(history->database,
                                      "SELECT node, program, host, version, since_ms, seen_ms,"
                                      " spooled FROM node ORDER BY host, node, program",
                                      "");
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = read_node(&rows, &arena, now_ms);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && history_has_memory(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}
