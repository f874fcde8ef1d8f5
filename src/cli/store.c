#include <stdio.h>
#include <string.h>

#include "cli/looking.h"
#include "cli/store_move.h"
#include "store/place.h"
#include "store/upkeep.h"

static bool rehearse_flag;
static const struct cli_option options[] = {{.name = "dry-run", .flag = &rehearse_flag}, {0}};

/* ---- check ---- */

struct report {
    const char *place;
    int64_t version;
    bool is_inspected;
    struct store_contents contents;
    struct text problems; /* a line each */
};

static bool is_well(const struct report *report)
{
    return report->problems.length == 0;
}

static void print_report(const struct report *report)
{
    struct text out = {0};
    text_printf(&out, "version %lld\n", (long long)report->version);
    if (report->is_inspected)
        text_printf(&out, "%lld alerts, %lld subscriptions to be confirmed; deliveries:",
                    (long long)report->contents.alerts, (long long)report->contents.confirmations);
    for (int i = 0; i < DELIVERY_REFUSED && report->is_inspected; i++)
        text_printf(&out, "%s %lld %s", i ? "," : "", (long long)report->contents.deliveries[i],
                    delivery_state_names[i]);
    text_puts(&out, report->is_inspected ? "\n" : "");
    text_puts(&out, text_string(&report->problems));
    if (is_well(report))
        text_puts(&out, "it is whole, adds up, and can be written\n");
    print_text(&out);
}

static void put_problems_json(struct text *out, const char *line)
{
    json_put_name(out, "problems");
    text_putc(out, '[');
    while (*line) {
        struct arena arena = {0};
        size_t length = strcspn(line, "\n");
        text_json(out, arena_copy(&arena, line, length));
        line += length + (line[length] == '\n');
        text_puts(out, *line ? "," : "");
        arena_clear(&arena);
    }
    text_putc(out, ']');
}

static void print_report_json(const struct report *report)
{
    struct text out = {0};
    json_begin(&out);
    json_put_number(&out, "version", report->version);
    json_put_number(&out, "known_version", upkeep_version_known());
    if (report->is_inspected) {
        json_put_number(&out, "alerts", report->contents.alerts);
        json_put_number(&out, "confirmations", report->contents.confirmations);
        json_put_name(&out, "deliveries");
        text_putc(&out, '{');
        for (int i = 0; i < DELIVERY_REFUSED; i++)
            json_put_number(&out, delivery_state_names[i], report->contents.deliveries[i]);
        text_putc(&out, '}');
    }
    put_problems_json(&out, text_string(&report->problems));
    text_putc(&out, '}');
    print_line(&out);
}

/* Writes, which brings an older store up to date: only where it is. */
static bool try_writing(struct report *report, const struct config *config, struct error *error)
{
    struct error reason = {0};
    struct store *store = store_new(report->place, &config->limits, false, error);
    if (!store)
        return false;
    if (!store_is_writable(store, &reason))
        text_printf(&report->problems, "it cannot be written: %s\n", reason.text);
    store_free(store);
    return true;
}

static bool inspect(struct report *report, const struct config *config, struct error *error)
{
    struct history *history = history_open(report->place, error);
    report->is_inspected =
        history && upkeep_inspect(history, &report->contents, &report->problems, error);
    history_close(history);
    return report->is_inspected && try_writing(report, config, error);
}

static bool check_found(struct report *report, const struct config *config, struct error *error)
{
    if (!upkeep_version(report->place, &report->version, error))
        return false;
    if (report->version == upkeep_version_known())
        return inspect(report, config, error);
    if (report->version == 0)
        text_puts(&report->problems, "there is no store in it yet: flashduty-gateway store migrate "
                                     "makes one, and so does the first alarm\n");
    else
        text_printf(&report->problems,
                    report->version < upkeep_version_known()
                        ? "this program's version is %lld: flashduty-gateway store migrate brings "
                          "it up to date, and so does the next alarm\n"
                        : "this program's version is %lld: it was written by a newer release\n",
                    (long long)upkeep_version_known());
    return true;
}

static enum cli_exit check(const struct cli_call *call, struct looking *looking)
{
    struct report report = {.place = looking->path};
    struct error error = {0};
    enum cli_exit status = CLI_DONE;
    looking_open_spool(looking);
    if (!check_found(&report, &looking->config, &error))
        status = looking_failed(&error);
    else
        status = is_well(&report) ? CLI_DONE : CLI_NO;
    if (status != CLI_STORE && call->json)
        print_report_json(&report);
    else if (status != CLI_STORE)
        print_report(&report);
    text_clear(&report.problems);
    return status;
}

/* ---- migrate ---- */

static enum cli_exit migrate(const struct cli_call *call, struct looking *looking)
{
    struct error error = {0};
    struct text out = {0};
    int64_t from = 0, to = 0;
    if (!upkeep_migrate(looking->path, &from, &to, &error))
        return looking_failed(&error);
    if (call->json) {
        json_begin(&out);
        json_put_number(&out, "from", from);
        json_put_number(&out, "to", to);
        text_putc(&out, '}');
        print_line(&out);
    } else if (from == to) {
        printf("version %lld: there was nothing to do\n", (long long)to);
    } else {
        printf("from version %lld to version %lld\n", (long long)from, (long long)to);
    }
    return CLI_DONE;
}

/* ---- the command ---- */

static const struct {
    const char *name;
    enum cli_exit (*run)(const struct cli_call *call, struct looking *looking);
} actions[] = {{"check", check}, {"migrate", migrate}};

static enum cli_exit run(const struct cli_call *call)
{
    struct looking looking = {0};
    struct error error = {0};
    enum cli_exit status = CLI_NO;
    size_t count = sizeof actions / sizeof *actions, row = 0;
    if (!strcmp(call->words[0], "move"))
        return move_store(call, rehearse_flag);
    while (row < count && strcmp(actions[row].name, call->words[0]) != 0)
        row++;
    if (row == count)
        return cli_usage("\"%s\" is neither check, migrate nor move", call->words[0]);
    if (call->words[1] || rehearse_flag)
        return cli_usage("%s takes neither words nor --dry-run", call->words[0]);
    if (looking_configure_or_last_valid(&looking.config)) {
        looking.path = store_find(&looking.arena, looking.config.store, &error);
        looking_say_where(&looking.config, looking.path);
        status = looking.path ? actions[row].run(call, &looking) : looking_failed(&error);
    }
    looking_end(&looking);
    return status;
}

const struct command command_store = {
    .name = "store",
    .arguments = "check|migrate|move [SQLITE [POSTGRESQL]] [--dry-run] [-o json]",
    .summary = "Looks after the store: check whether it is whole, migrate it to this release, move "
               "it to a server",
    .help =
        "  check    its version, what there is in it, whether all of it can be read, adds up and\n"
        "           can be written; exit status 1 if something is wrong\n"
        "  migrate  brings the tables of an older release up to date, which the gateway does by\n"
        "           itself, too; makes those of a server, as a user who may\n"
        "  move     moves everything from a file to a PostgreSQL server, whose store must be\n"
        "           empty, in one transaction. Without POSTGRESQL it is the configuration's, so\n"
        "           that its password stands in no list of processes. Stop the gateway first:\n"
        "           the file must be nobody else's; it is kept beside, as ….db-moved\n"
        "\n"
        "  --dry-run  says what would be moved, and whether it can be\n",
    .min_words = 1,
    .max_words = 3,
    .run = run,
    .options = options,
};
