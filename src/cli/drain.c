#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/looking.h"
#include "config/keys.h"
#include "delivery/drainer.h"
#include "net/transport.h"
#include "store/place.h"

/* Cron starts the next one after a minute; what is under way at the end has a few seconds. */
#define RUN_MS 50000
/* What waits longer than this is no passing trouble. */
#define PATIENCE_MS 300000
#define LOOK_MS 1000

static bool watch_flag;
static const struct cli_option options[] = {{.name = "watch", .flag = &watch_flag}, {0}};

static volatile sig_atomic_t is_asked_to_end;

static void ask_to_end(int number)
{
    (void)number;
    is_asked_to_end = 1;
}

static bool is_stopped(void *context)
{
    (void)context;
    return is_asked_to_end != 0;
}

static void rest(void *context, int64_t ms)
{
    (void)context;
    clock_pause(ms);
}

struct run {
    struct looking looking;
    struct store *store;
    struct transport *transport;
    struct drain_report report;
    struct outbox_figures before, after;
    struct error out_of_reach; /* the store, although there is a spool */
};

/* ---- what is wrong ---- */

static void put_count(struct text *out, int64_t count, const char *words)
{
    if (count > 0)
        text_printf(out, "%s%lld %s", out->length ? ", " : "", (long long)count, words);
}

static void put_waiting(struct text *out, const struct outbox_figures *figures)
{
    if (figures->waiting == 0)
        return;
    text_printf(out, "%s%lld wait, the oldest since ", out->length ? "; " : "",
                (long long)figures->waiting);
    put_time(out, figures->oldest_waiting_ms);
}

/* Words for what went wrong, "" if all is well. */
static void judge(const struct run *run, struct text *out)
{
    const struct drain_report *report = &run->report;
    int64_t waited_ms = clock_wall_ms() - run->after.oldest_waiting_ms;
    bool is_waiting_long = run->after.waiting > 0 && waited_ms > PATIENCE_MS;
    put_count(out, report->failed, "failed");
    put_count(out, report->rejected, "rejected");
    put_count(out, run->after.expired - run->before.expired, "expired");
    put_count(out, report->unconfirmed, "not confirmed");
    if (report->is_store_bad)
        text_printf(out, "%sthe store could not be used", out->length ? ", " : "");
    if (run->out_of_reach.code)
        text_printf(out, "%s%s; %lld alerts wait in this node's spool", out->length ? ", " : "",
                    run->out_of_reach.text, (long long)store_spooled(run->store));
    if (out->length || is_waiting_long)
        put_waiting(out, &run->after);
    if (out->length && *report->reason) {
        text_puts(out, "; the last reason: ");
        put_safe(out, report->reason);
    }
}

static enum cli_exit complain(const struct run *run)
{
    struct text out = {0};
    enum cli_exit status = CLI_DONE;
    judge(run, &out);
    if (out.length) {
        looking_say_where(&run->looking.config, run->looking.path);
        status = cli_fail(CLI_NO, "%s", text_string(&out));
    }
    text_clear(&out);
    return status;
}

/* ---- draining ---- */

/* Whoever drains holds a lock on a file beside the store. */
static enum cli_exit check_lock(const struct run *run)
{
    struct arena arena = {0};
    const char *spool = store_spool_path(run->store);
    const char *path = arena_printf(&arena, "%s-drain", spool ? spool : run->looking.path);
    enum cli_exit status = CLI_DONE;
    int file = open(path, O_RDWR | O_CLOEXEC);
    const char *reason = strerror(errno);
    if (file < 0 && errno != ENOENT) {
        looking_say_where(&run->looking.config, run->looking.path);
        status = cli_fail(CLI_STORE, "%s: %s", path, reason);
    }
    if (file >= 0)
        close(file);
    arena_clear(&arena);
    return status;
}

static bool drain_while(struct run *run, bool stays, int64_t until_ms)
{
    const struct drain_watch watch = {NULL, is_stopped, rest, stays, until_ms};
    const struct drain_means means = {
        {run->transport, run->store, run->looking.config.flashduty_url},
        run->looking.config.ca_file,
        &run->looking.config.watchdog};
    if (!store_lead(run->store))
        return false;
    config_update_store(&run->looking.config, run->store);
    return drain(&means, &watch, &run->report);
}

static enum cli_exit drain_once(struct run *run)
{
    struct error error = {0};
    struct history *history = run->looking.history;
    if (history && !history_figures(history, &run->before, &error))
        return looking_failed(&error);
    if (!drain_while(run, false, clock_monotonic_ms() + RUN_MS))
        return check_lock(run);
    if (history && !history_figures(history, &run->after, &error))
        return looking_failed(&error);
    return complain(run);
}

/* Takes over as soon as no other process drains. */
static enum cli_exit drain_for_ever(struct run *run)
{
    enum cli_exit status = CLI_DONE;
    while (!is_stopped(NULL) && status == CLI_DONE) {
        if (drain_while(run, true, INT64_MAX))
            continue;
        status = check_lock(run);
        rest(NULL, LOOK_MS);
    }
    return status;
}

/* ---- beginning ---- */

/* Where nothing was received yet, or nothing is kept, all is well. */
static enum cli_exit find_store(struct run *run)
{
    struct error error = {0};
    struct looking *looking = &run->looking;
    const char *configured = looking->config.store;
    looking->path = store_find(&looking->arena, configured, &error);
    bool is_yet_to_come = !configured || *configured;
    while (!looking->path && error.code == ERROR_NOT_FOUND && watch_flag && is_yet_to_come &&
           !is_stopped(NULL)) {
        rest(NULL, LOOK_MS);
        error = (struct error){0};
        arena_clear(&looking->arena);
        looking->path = store_find(&looking->arena, configured, &error);
    }
    if (looking->path || error.code == ERROR_NOT_FOUND)
        return CLI_DONE;
    looking_say_where(&looking->config, NULL);
    return looking_failed(&error);
}

/* A store of an older release is brought up to date by opening it to drain. */
static bool open_all(struct run *run, struct error *error)
{
    const struct config *config = &run->looking.config;
    struct error first = {0};
    const char *path = run->looking.path;
    run->looking.history = history_open(path, &first);
    if (!run->looking.history && first.code == ERROR_NOT_FOUND && !store_is_server(path))
        return error_set(error, first.code, "%s", first.text);
    run->store = store_new(path, &config->limits, false, error);
    if (!run->store || !looking_add_spool(&run->looking, run->store, error))
        return false;
    if (!run->looking.history && store_is_writable(run->store, error))
        run->looking.history = history_open(path, error);
    bool has_spool = store_spool_path(run->store);
    if (!run->looking.history && has_spool)
        run->out_of_reach = first;
    if (run->looking.history || has_spool)
        run->transport = transport_new(config->ca_file, config->proxy, false, error);
    return run->store && run->transport;
}

static enum cli_exit drain_found(struct run *run)
{
    struct error error = {0};
    if (open_all(run, &error))
        return watch_flag ? drain_for_ever(run) : drain_once(run);
    if (error.code == ERROR_NOT_FOUND)
        return CLI_DONE;
    looking_say_where(&run->looking.config, run->looking.path);
    return looking_failed(&error);
}

static enum cli_exit run(const struct cli_call *call)
{
    struct run run = {0};
    const struct sigaction ending = {.sa_handler = ask_to_end};
    (void)call;
    (void)sigaction(SIGTERM, &ending, NULL);
    (void)sigaction(SIGINT, &ending, NULL);
    enum cli_exit status = looking_configure_or_last_valid(&run.looking.config) ? CLI_DONE : CLI_NO;
    if (status == CLI_DONE) {
        log_set_level(watch_flag ? run.looking.config.log_level : LOG_ERROR);
        status = find_store(&run);
    }
    if (status == CLI_DONE && watch_flag)
        looking_say_where(&run.looking.config, run.looking.path);
    if (status == CLI_DONE && run.looking.path)
        status = drain_found(&run);
    if (status == CLI_DONE && run.looking.config.refusal)
        status = CLI_NO;
    store_free(run.store);
    transport_free(run.transport);
    looking_end(&run.looking);
    return status;
}

const struct command command_drain = {
    .name = "drain",
    .arguments = "[--watch]",
    .summary = "Sends what is due; silent when all is well",
    .help =
        "For cron or a timer, once a minute: * * * * * flashduty-gateway drain\n"
        "A run ends when nothing more is due, after 55 seconds at most. If another process drains\n"
        "the store, or there is none yet, it does nothing.\n"
        "\n"
        "What is wrong is said on stderr, with exit status 1, so that cron mails it: what failed,\n"
        "was rejected or has expired in this run, and what has waited for more than 5 minutes.\n"
        "  --watch  stays until SIGTERM or SIGINT, takes over when another drainer ends, and\n"
        "           writes the log\n",
    .run = run,
    .options = options,
};
