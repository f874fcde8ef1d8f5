#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/looking.h"
#include "cli/payload.h"
#include "delivery/flashduty.h"
#include "gateway.h"

#define RECENT_DEFAULT 20
#define RECENT_MAX 1000

static const char *recent_text, *against_path;
static const struct cli_option options[] = {
    {.name = "recent", .value = &recent_text}, {.name = "against", .value = &against_path}, {0}};

/* ---- a payload ---- */

static bool explain_item(const struct cli_call *call, const struct config *config,
                         const struct integration *integration, struct item *item,
                         struct arena *arena)
{
    struct text out = {0};
    if (item->kind != ITEM_ALERT) {
        fprintf(stderr, "%s\n",
                item->kind == ITEM_CONFIRM ? "a subscription: it has no route" : item->reason);
        return item->kind != ITEM_REFUSED;
    }
    gateway_apply_integration(integration, arena, &item->alert);
    if (call->json)
        explain_as_json(integration, &item->alert, arena, &out);
    else
        explain_in_words(integration, config->path, &item->alert, arena, &out);
    bool is_complete = !arena->failed && !out.failed;
    if (call->json)
        print_line(&out);
    else
        print_text(&out);
    return is_complete;
}

static enum cli_exit explain_payload(const struct cli_call *call)
{
    struct config config = {0};
    struct payload payload = {0};
    const struct integration *integration = NULL;
    enum cli_exit status = CLI_NO;
    if (looking_configure(NULL, &config)) {
        integration = payload_integration(&config, call->words[0]);
        status = CLI_NOT_FOUND;
    }
    if (integration)
        status = payload_read(call->words[1], integration->vendor, &config.smn, &payload);
    for (size_t i = 0; i < payload.receipt.count; i++) {
        if (!explain_item(call, &config, integration, &payload.receipt.items[i], &payload.arena))
            status = CLI_NO;
    }
    payload_clear(&payload);
    config_free(&config);
    return status;
}

/* ---- recent alerts under another configuration ---- */

struct comparison_of {
    bool json;
    const struct integration *before, *after;
    int64_t count, changed, lost; /* lost: Criticals that would go nowhere */
    bool failed;
};

static bool has(const struct choice *choice, const struct destination *destination)
{
    for (size_t i = 0; i < choice->count; i++) {
        if (!strcmp(choice->destinations[i].flashduty_key, destination->flashduty_key))
            return true;
    }
    return false;
}

/* Those of `of` that `other` has, or has not. */
static struct choice select_from(const struct choice *of, const struct choice *other, bool shared,
                                 struct arena *arena)
{
    struct destination *selected = arena_alloc(arena, (of->count + 1) * sizeof *selected);
    struct choice choice = {.destinations = selected};
    for (size_t i = 0; i < of->count && selected; i++) {
        if (has(other, &of->destinations[i]) == shared)
            selected[choice.count++] = of->destinations[i];
    }
    return choice;
}

static void put_list(struct text *out, const char *sign, const struct choice *choice)
{
    for (size_t i = 0; i < choice->count; i++) {
        text_printf(out, "  %s ", sign);
        put_chosen(out, &choice->destinations[i]);
        text_putc(out, '\n');
    }
}

struct change {
    struct choice added, removed, unchanged;
    bool is_lost;
};

static void print_change(const struct comparison_of *comparison, const struct alert_record *record,
                         const struct alert *alert, const struct change *change)
{
    struct text out = {0};
    if (comparison->json) {
        json_begin(&out);
        json_put_time(&out, "received", record->received_ms);
        json_put_text(&out, "alert_key", alert->key);
        json_put_text(&out, "title", alert->title);
        json_put_text(&out, "severity", severity_names[alert->severity]);
        json_put_chosen(&out, "added", &change->added);
        json_put_chosen(&out, "removed", &change->removed);
        json_put_chosen(&out, "unchanged", &change->unchanged);
        json_put_bool(&out, "loses_every_destination", change->is_lost);
        text_putc(&out, '}');
        print_line(&out);
        return;
    }
    put_time(&out, record->received_ms);
    text_printf(&out, "  %-8s  ", severity_names[alert->severity]);
    put_safe(&out, alert->title);
    text_putc(&out, '\n');
    put_list(&out, "+", &change->added);
    put_list(&out, "-", &change->removed);
    put_list(&out, "=", &change->unchanged);
    if (change->is_lost)
        text_puts(&out, "  it loses every destination\n");
    print_text(&out);
}

static bool decode(const struct alert_record *record, const struct integration *integration,
                   struct arena *arena, struct alert *alert)
{
    if (!flashduty_decode(record->event, arena, alert))
        return false;
    gateway_apply_integration(integration, arena, alert);
    return !arena->failed;
}

static bool compare(void *context, const struct alert_record *record)
{
    struct comparison_of *comparison = context;
    struct arena arena = {0};
    struct alert before, after;
    if (decode(record, comparison->before, &arena, &before) &&
        decode(record, comparison->after, &arena, &after)) {
        struct choice old = routing_choose(&comparison->before->routing, &before, &arena, NULL);
        struct choice new = routing_choose(&comparison->after->routing, &after, &arena, NULL);
        struct change change = {
            select_from(&new, &old, false, &arena), select_from(&old, &new, false, &arena),
            select_from(&new, &old, true, &arena), old.count > 0 && new.count == 0};
        comparison->count++;
        comparison->changed += change.added.count + change.removed.count > 0;
        comparison->lost += change.is_lost && after.severity == SEVERITY_CRITICAL;
        print_change(comparison, record, &after, &change);
    } else {
        comparison->failed = true;
    }
    comparison->failed |= arena.failed;
    arena_clear(&arena);
    return !comparison->failed;
}

static enum cli_exit compare_recent(const struct cli_call *call, int64_t recent)
{
    struct looking looking = {0};
    struct config other = {0};
    struct error error = {0};
    struct comparison_of comparison = {.json = call->json};
    enum cli_exit status = looking_begin(&looking);
    if (status == CLI_DONE) {
        comparison.before = payload_integration(&looking.config, call->words[0]);
        status = comparison.before ? CLI_DONE : CLI_NOT_FOUND;
    }
    comparison.after = comparison.before;
    if (status == CLI_DONE && against_path) {
        bool is_valid = looking_configure(against_path, &other);
        comparison.after = is_valid ? payload_integration(&other, call->words[0]) : NULL;
        status = comparison.after ? CLI_DONE : is_valid ? CLI_NOT_FOUND : CLI_NO;
    }
    if (status == CLI_DONE &&
        !history_recent(looking.history, call->words[0], recent, compare, &comparison, &error))
        status = looking_failed(&error);
    if (status == CLI_DONE) {
        fprintf(stderr, "%lld alerts, %lld with other destinations\n", (long long)comparison.count,
                (long long)comparison.changed);
        if (comparison.lost > 0)
            status = cli_fail(CLI_NO, "%lld Critical alerts would lose every destination",
                              (long long)comparison.lost);
        else if (comparison.failed)
            status = cli_fail(CLI_NO, "out of memory");
    }
    config_free(&other);
    looking_end(&looking);
    return status;
}

static enum cli_exit run(const struct cli_call *call)
{
    int64_t recent = RECENT_DEFAULT;
    if (!recent_text && !against_path)
        return explain_payload(call);
    if (call->words[1])
        return cli_usage("a payload, or --recent: not both");
    if (recent_text && (!read_id(recent_text, &recent) || recent > RECENT_MAX))
        return cli_usage("--recent takes a number from 1 to %d", RECENT_MAX);
    return compare_recent(call, recent);
}

const struct command command_route = {
    .name = "route",
    .arguments = "INTEGRATION [FILE | --recent N] [--against NEW.conf] [-o json]",
    .summary = "Shows which routes take a payload, and why",
    .help =
        "FILE: the body as the vendor posts it; without it, standard input. Sends nothing.\n"
        "  --recent N          the last N alerts in the store (20) instead of a payload, without\n"
        "                      recoveries, which go where their alerts went\n"
        "  --against NEW.conf  what another configuration would add (+), remove (-) and leave "
        "(=);\n"
        "                      exit status 1 if a Critical alert would lose every destination\n"
        "Labels of NEW.conf are added to the alerts of the store; their severity is as it was\n"
        "taken.\n",
    .min_words = 1,
    .max_words = 2,
    .run = run,
    .options = options,
};
