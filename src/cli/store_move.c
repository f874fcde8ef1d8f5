#include "cli/store_move.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/looking.h"
#include "store/place.h"
#include "store/transfer.h"

#define SQLITE_PREFIX "sqlite:"

struct moving {
    struct config config;
    struct arena arena;
    struct store_transfer transfer;
};

/* The server is the configuration's where none is named: a list of processes shows no password
 * then. */
static enum cli_exit read_places(const struct cli_call *call, struct moving *moving)
{
    const char *from = call->words[1], *to = call->words[2];
    if (!from)
        return cli_usage("which store? store move SQLITE [POSTGRESQL]");
    if (!strncmp(from, SQLITE_PREFIX, strlen(SQLITE_PREFIX)))
        from += strlen(SQLITE_PREFIX);
    if (!to && !looking_configure_or_last_valid(&moving->config))
        return CLI_NO;
    if (!to && (!moving->config.store || !store_is_server(moving->config.store)))
        return cli_usage("where to? Neither the call nor the configuration names a server: "
                         "store = \"postgresql://…\"");
    moving->transfer.from = from;
    moving->transfer.to = to ? to : moving->config.store;
    return CLI_DONE;
}

static void show_progress(void *context, int64_t rows, int64_t all)
{
    (void)context;
    fprintf(stderr, "\r%lld of %lld rows%s", (long long)rows, (long long)all,
            rows == all ? "\n" : "");
}

static void print_json(const struct store_transfer *transfer, const char *to)
{
    struct text out = {0};
    text_puts(&out, "{\"tables\":{");
    for (size_t i = 0; i < transfer->table_count; i++) {
        text_puts(&out, i ? "," : "");
        text_json(&out, transfer->tables[i].name);
        text_printf(&out, ":%lld", (long long)transfer->tables[i].rows);
    }
    text_puts(&out, "},\"from\":");
    text_json(&out, transfer->from);
    text_puts(&out, ",\"to\":");
    text_json(&out, to);
    text_printf(&out, ",\"moved\":%s", transfer->is_rehearsed ? "false" : "true");
    if (!transfer->is_rehearsed) {
        text_puts(&out, ",\"kept\":");
        text_json(&out, transfer->kept);
    }
    text_putc(&out, '}');
    print_line(&out);
}

static void print_words(const struct store_transfer *transfer, const char *to)
{
    struct text out = {0};
    text_printf(&out, "%s from %s to %s:\n", transfer->is_rehearsed ? "would be moved" : "moved",
                transfer->from, to);
    for (size_t i = 0; i < transfer->table_count; i++)
        text_printf(&out, "  %-20s %lld\n", transfer->tables[i].name,
                    (long long)transfer->tables[i].rows);
    if (transfer->table_count == 0)
        text_puts(&out, "  nothing: it is empty\n");
    if (!transfer->is_rehearsed)
        text_printf(&out,
                    "The file is kept as %s, and nothing uses it any more.\n"
                    "Set store = \"%s\", with the password, before the gateway is started again.\n",
                    transfer->kept, to);
    print_text(&out);
}

enum cli_exit move_store(const struct cli_call *call, bool is_rehearsed)
{
    struct moving moving = {.transfer = {.is_rehearsed = is_rehearsed}};
    struct error error = {0};
    enum cli_exit status = read_places(call, &moving);
    if (status == CLI_DONE && isatty(STDERR_FILENO))
        moving.transfer.show = show_progress;
    if (status == CLI_DONE && !store_transfer(&moving.transfer, &moving.arena, &error))
        status = cli_fail(error.code == ERROR_FORBIDDEN ? CLI_NO : CLI_STORE, "%s", error.text);
    else if (status == CLI_DONE && call->json)
        print_json(&moving.transfer, store_place_name(&moving.arena, moving.transfer.to));
    else if (status == CLI_DONE)
        print_words(&moving.transfer, store_place_name(&moving.arena, moving.transfer.to));
    arena_clear(&moving.arena);
    config_free(&moving.config);
    return status;
}
