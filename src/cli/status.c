#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "cli/looking.h"

#define WATCH_S 2

static bool audit_flag, watch_flag;
static const struct cli_option options[] = {
    {.name = "audit", .flag = &audit_flag}, {.name = "watch", .flag = &watch_flag}, {0}};

/* ---- the ledger ---- */

static bool show_json(void *context, const struct ledger_record *record)
{
    struct text out = {0};
    (void)context;
    json_begin(&out);
    json_put_ledger(&out, record);
    text_putc(&out, '}');
    print_line(&out);
    return true;
}

/* Places where nothing is are left out. */
static bool show_words(void *context, const struct ledger_record *record)
{
    struct text out = {0};
    bool is_first = true;
    (void)context;
    put_safe(&out, record->integration);
    text_printf(&out, ": %lld received", (long long)record->received);
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        if (!record->counts[i])
            continue;
        text_printf(&out, "%s%lld %s", is_first ? ": " : ", ", (long long)record->counts[i],
                    outcome_names[i]);
        is_first = false;
    }
    print_line(&out);
    return true;
}

/* ---- the outbox ---- */

static void print_figures_json(const struct outbox_figures *figures, int64_t spooled)
{
    struct text out = {0};
    text_puts(&out, "{\"outbox\":{");
    json_put_figures(&out, figures);
    json_put_number(&out, "spooled", spooled);
    text_puts(&out, "}}");
    print_line(&out);
}

static void put_figure(struct text *out, int64_t number, const char *words)
{
    if (number)
        text_printf(out, "%s%lld %s", out->length ? ", " : "", (long long)number, words);
}

/* What there is none of is left out. */
static void print_figures(const struct outbox_figures *figures, int64_t spooled)
{
    struct text out = {0};
    put_figure(&out, figures->waiting, "waiting");
    if (figures->oldest_waiting_ms) {
        text_puts(&out, " (the oldest since ");
        put_time(&out, figures->oldest_waiting_ms);
        text_putc(&out, ')');
    }
    put_figure(&out, figures->sending, "being sent");
    put_figure(&out, figures->rejected, "rejected");
    put_figure(&out, figures->expired, "expired");
    put_figure(&out, figures->failing_keys, "Flashduty keys that keep failing");
    put_figure(&out, figures->confirmations, "subscriptions to be confirmed");
    put_figure(&out, spooled, "in this node's spool");
    printf("outbox: %s; %lld deliveries kept\n", out.length ? text_string(&out) : "empty",
           (long long)figures->kept);
    text_clear(&out);
}

/* ---- who shares the store ---- */

static bool show_node_json(void *context, const struct node_record *record)
{
    struct text out = {0};
    (void)context;
    text_puts(&out, "{\"node\":{");
    json_put_node(&out, record);
    text_puts(&out, "}}");
    print_line(&out);
    return true;
}

static bool show_node(void *context, const struct node_record *record)
{
    struct text out = {0};
    (void)context;
    text_puts(&out, "node ");
    put_safe(&out, record->host);
    text_puts(&out, " (");
    put_safe(&out, record->node);
    text_puts(&out, ") ");
    put_safe(&out, record->program);
    text_putc(&out, ' ');
    put_safe(&out, record->version);
    text_puts(&out, record->is_silent ? ": silent since " : ": there, seen ");
    put_time(&out, record->seen_ms);
    text_puts(&out, ", running since ");
    put_time(&out, record->since_ms);
    if (record->spooled > 0)
        text_printf(&out, ", %lld in its spool", (long long)record->spooled);
    print_line(&out);
    return true;
}

/* ---- the audit ---- */

static void print_audit(bool json, const struct text *problems)
{
    struct text out = {0};
    const char *line = text_string(problems);
    bool adds_up = !*line;
    if (!json) {
        printf("%s%s", adds_up ? "the ledger adds up\n" : "the ledger does not add up:\n", line);
        return;
    }
    text_puts(&out, "{\"audit\":{");
    json_put_bool(&out, "adds_up", adds_up);
    json_put_name(&out, "problems");
    text_putc(&out, '[');
    for (size_t length; *line; line += length + 1) {
        struct arena arena = {0};
        length = 0;
        while (line[length] != '\n')
            length++;
        text_json(&out, arena_copy(&arena, line, length));
        text_puts(&out, line[length + 1] ? "," : "");
        arena_clear(&arena);
    }
    text_puts(&out, "]}}");
    print_line(&out);
}

static enum cli_exit audit(const struct cli_call *call, struct looking *looking)
{
    struct text problems = {0};
    struct error error = {0};
    bool adds_up = history_audit(looking->history, &problems, &error);
    if (looking->spool && !error.code)
        adds_up &= history_audit(looking->spool, &problems, &error);
    enum cli_exit status = adds_up ? CLI_DONE : CLI_NO;
    if (error.code)
        status = looking_failed(&error);
    else
        print_audit(call->json, &problems);
    text_clear(&problems);
    return status;
}

/* ---- the command ---- */

static enum cli_exit show(const struct cli_call *call, struct looking *looking)
{
    struct outbox_figures figures = {0};
    struct error error = {0};
    if (!history_ledger(looking->history, call->json ? show_json : show_words, NULL, &error) ||
        !history_figures(looking->history, &figures, &error))
        return looking_failed(&error);
    if (looking->spool && !history_count(looking->spool, &looking->spooled, &error))
        return looking_failed(&error);
    if (call->json)
        print_figures_json(&figures, looking->spooled);
    else
        print_figures(&figures, looking->spooled);
    if (!history_nodes(looking->history, call->json ? show_node_json : show_node, NULL, &error))
        return looking_failed(&error);
    return audit_flag ? audit(call, looking) : CLI_DONE;
}

static enum cli_exit watch(const struct cli_call *call, struct looking *looking)
{
    const struct timespec pause = {.tv_sec = WATCH_S};
    sigset_t endings;
    siginfo_t ending;
    sigemptyset(&endings);
    sigaddset(&endings, SIGINT);
    sigaddset(&endings, SIGTERM);
    sigprocmask(SIG_BLOCK, &endings, NULL);
    enum cli_exit status = show(call, looking);
    while (status != CLI_STORE && !ferror(stdout) && sigtimedwait(&endings, &ending, &pause) < 0) {
        if (!call->json)
            putchar('\n');
        status = show(call, looking);
        (void)fflush(stdout);
    }
    return status;
}

static enum cli_exit run(const struct cli_call *call)
{
    struct looking looking = {0};
    enum cli_exit status = looking_begin(&looking);
    if (status == CLI_DONE)
        status = watch_flag ? watch(call, &looking) : show(call, &looking);
    looking_end(&looking);
    return status;
}

const struct command command_status = {
    .name = "status",
    .arguments = "[--audit] [--watch] [-o json]",
    .summary =
        "What was received of each integration and where it is now; --audit: that it adds up",
    .help = "  --audit  exit status 1 if the ledger does not add up, and what does not\n"
            "  --watch  again every 2 seconds, until interrupted\n",
    .run = run,
    .options = options,
};
