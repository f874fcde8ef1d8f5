#include <string.h>

#include "cli/store_move.h"

static bool rehearse_flag;
static const struct cli_option options[] = {{.name = "dry-run", .flag = &rehearse_flag}, {0}};

static enum cli_exit run(const struct cli_call *call)
{
    if (!strcmp(call->words[0], "move"))
        return move_store(call, rehearse_flag);
    return cli_usage("\"%s\" is no word of store", call->words[0]);
}

const struct command command_store = {
    .name = "store",
    .arguments = "move SQLITE [POSTGRESQL] [--dry-run] [-o json]",
    .summary = "Moves the store from a file to a server",
    .help =
        "move     moves everything from a file to a PostgreSQL server, whose store must be empty,\n"
        "         in one transaction. Without POSTGRESQL it is the configuration's, so that its\n"
        "         password stands in no list of processes. Stop the gateway first: the file must\n"
        "         be nobody else's; it is kept beside, as ….db-moved\n"
        "\n"
        "  --dry-run  says what would be moved, and whether it can be\n",
    .min_words = 1,
    .max_words = 3,
    .run = run,
    .options = options,
};
