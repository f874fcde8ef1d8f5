#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "canary.h"
#include "cli/looking.h"
#include "net/transport.h"
#include "store/place.h"

struct run {
    struct looking looking;
    struct store *store; /* NULL: nothing is kept */
    struct transport *transport;
    const struct integration *integration;
    struct canary canary;
};

/* ---- beginning ---- */

static enum cli_exit find_integration(struct run *run, const char *name)
{
    const struct config *config = &run->looking.config;
    for (size_t i = 0; i < config->integration_count; i++) {
        if (!strcmp(config->integrations[i].name, name))
            run->integration = &config->integrations[i];
    }
    if (run->integration)
        return CLI_DONE;
    looking_say_where(config, NULL);
    return cli_fail(CLI_NOT_FOUND, "%s is no integration of the configuration", name);
}

/* The gateway makes the store: whoever cron runs as might make it another's. */
static enum cli_exit open_store(struct run *run)
{
    struct looking *looking = &run->looking;
    struct error error = {0};
    const char *configured = looking->config.store;
    if (configured && !*configured)
        return CLI_DONE;
    looking->path = store_find(&looking->arena, configured, &error);
    if (looking->path)
        run->store = store_new(looking->path, &looking->config.limits, false, &error);
    if (run->store && looking_add_spool(looking, run->store, &error))
        return CLI_DONE;
    looking_say_where(&looking->config, NULL);
    return looking_failed(&error);
}

/* ---- what came of it ---- */

static bool is_delivered(const struct canary *canary)
{
    return canary->alert.outcome == OUTCOME_DELIVERED &&
           canary->recovery.outcome == OUTCOME_DELIVERED;
}

static void put_leg_json(struct text *out, const char *name, const struct canary_leg *leg)
{
    json_put_name(out, name);
    text_putc(out, '{');
    json_put_text(out, "outcome", outcome_names[leg->outcome]);
    json_put_text(out, "request_id", leg->request_id);
    json_put_number(out, "took_ms", leg->took_ms);
    json_put_text(out, "reason", leg->reason);
    text_putc(out, '}');
}

static void print_json(const struct run *run)
{
    struct text out = {0};
    json_begin(&out);
    json_put_text(&out, "integration", run->integration->name);
    json_put_text(&out, "alert_key", run->canary.alert.alert_key);
    put_leg_json(&out, "alert", &run->canary.alert);
    put_leg_json(&out, "recovery", &run->canary.recovery);
    text_putc(&out, '}');
    print_line(&out);
}

static enum cli_exit judge(const struct run *run)
{
    const struct canary *canary = &run->canary;
    bool is_alert_bad = canary->alert.outcome != OUTCOME_DELIVERED;
    const struct canary_leg *bad = is_alert_bad ? &canary->alert : &canary->recovery;
    if (is_delivered(canary) && !canary->alert.is_unrecorded && !canary->recovery.is_unrecorded)
        return CLI_DONE;
    looking_say_where(&run->looking.config, run->looking.path);
    if (is_delivered(canary))
        return cli_fail(CLI_STORE, "the canary was delivered, but without the store");
    struct text reason = {0};
    put_safe(&reason, bad->reason);
    enum cli_exit status = cli_fail(
        bad->has_answer || bad->outcome == OUTCOME_UNROUTED ? CLI_NO : CLI_NETWORK,
        "the canary of %s: its %s is %s: %s", run->integration->name,
        is_alert_bad ? "alert" : "recovery", outcome_names[bad->outcome], text_string(&reason));
    text_clear(&reason);
    return status;
}

static enum cli_exit send_canary(struct run *run, bool json)
{
    const struct config *config = &run->looking.config;
    struct error error = {0};
    run->transport = transport_new(config->ca_file, config->proxy, false, &error);
    if (!run->transport)
        return cli_fail(CLI_NETWORK, "%s", error.text);
    const struct delivery_means means = {run->transport, run->store, config->flashduty_url};
    if (!canary_send(config, &means, run->integration, &run->canary, &run->looking.arena))
        return cli_fail(CLI_NO, "out of memory");
    if (json)
        print_json(run);
    else if (is_delivered(&run->canary) && isatty(STDOUT_FILENO))
        printf("the canary of %s: delivered after %lld ms, its recovery after %lld ms\n",
               run->integration->name, (long long)run->canary.alert.took_ms,
               (long long)run->canary.recovery.took_ms);
    return judge(run);
}

static enum cli_exit run(const struct cli_call *call)
{
    struct run run = {0};
    log_set_level(LOG_ERROR);
    enum cli_exit status = looking_configure_or_last_valid(&run.looking.config) ? CLI_DONE : CLI_NO;
    if (status == CLI_DONE)
        status = find_integration(&run, call->words[0]);
    if (status == CLI_DONE)
        status = open_store(&run);
    if (status == CLI_DONE)
        status = send_canary(&run, call->json);
    store_free(run.store);
    transport_free(run.transport);
    looking_end(&run.looking);
    return status;
}

const struct command command_canary = {
    .name = "canary",
    .arguments = "INTEGRATION [-o json]",
    .summary = "Sends a marked Info alert and its recovery the whole way to Flashduty",
    .help =
        "Both enter behind the checks of the endpoint and take the integration's labels and\n"
        "routes. When the last one went through stands in the metrics. For cron, say every ten\n"
        "minutes: */10 * * * * flashduty-gateway canary INTEGRATION\n"
        "\n"
        "Silent when both were delivered, unless on a terminal. Exit status 1 if Flashduty, or a\n"
        "route, did not take one; 3 if the store could not be used; 5 if nothing answered.\n",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
