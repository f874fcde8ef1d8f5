#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cli.h"
#include "config/config.h"
#include "delivery/flashduty.h"
#include "gateway.h"

/* Whose mapping it is: a vendor's plain one, or an integration's. */
struct mapping {
    struct config config;
    const struct vendor *vendor;
    const struct integration *integration; /* NULL: the vendor's plain one */
};

static enum cli_exit find(const char *name, struct mapping *mapping)
{
    struct error error = {0};
    struct config_report report = {0};
    mapping->vendor = vendor_find(name);
    if (mapping->vendor)
        return config_defaults(&mapping->config, &error) ? CLI_DONE
                                                         : cli_fail(CLI_NO, "%s", error.text);
    bool is_valid = config_load(NULL, &mapping->config, &report);
    fprintf(stderr, "%s", text_string(&report.errors));
    config_report_clear(&report);
    if (!is_valid)
        return CLI_NO;
    for (size_t i = 0; i < mapping->config.integration_count; i++) {
        if (!strcmp(mapping->config.integrations[i].name, name))
            mapping->integration = &mapping->config.integrations[i];
    }
    if (!mapping->integration)
        return cli_fail(CLI_NOT_FOUND, "\"%s\" is neither a vendor nor an integration of %s", name,
                        *mapping->config.path ? mapping->config.path : "a configuration");
    mapping->vendor = mapping->integration->vendor;
    return CLI_DONE;
}

static bool print_alert(struct alert *alert, const struct mapping *mapping, struct arena *arena,
                        bool json)
{
    struct text event = {0};
    if (mapping->integration)
        gateway_apply_integration(mapping->integration, arena, alert);
    flashduty_encode(alert, &event);
    cJSON *tree = cJSON_Parse(text_string(&event));
    char *pretty = tree && !json ? cJSON_Print(tree) : NULL;
    bool is_complete = !event.failed && !arena->failed && (json || pretty);
    if (is_complete)
        puts(json ? text_string(&event) : pretty);
    cJSON_free(pretty);
    cJSON_Delete(tree);
    text_clear(&event);
    return is_complete;
}

static bool print_item(struct item *item, const struct mapping *mapping, struct arena *arena,
                       bool json)
{
    switch (item->kind) {
    case ITEM_ALERT:
        return print_alert(&item->alert, mapping, arena, json);
    case ITEM_IGNORED:
        fprintf(stderr, "ignored: %s\n", item->reason);
        return true;
    case ITEM_CONFIRM:
        fprintf(stderr, "a subscription, to be confirmed at %s\n", item->confirm_host);
        return true;
    case ITEM_REFUSED:
        fprintf(stderr, "refused: %s\n", item->reason);
        return false;
    }
    return false;
}

static enum cli_exit map(const struct cli_call *call, const struct mapping *mapping,
                         const struct text *payload)
{
    struct json json = {0};
    struct arena arena = {0};
    struct receipt receipt = {0};
    struct error error = {0};
    const struct vendor_input input = {
        .body = text_string(payload),
        .length = payload->length,
        .now_ms = clock_wall_ms(),
        .smn = &mapping->config.smn,
    };
    bool is_mapped = json_parse(input.body, input.length, &json, &error) &&
                     mapping->vendor->parse(&input, &json, &arena, &receipt, &error);
    enum cli_exit status = is_mapped ? CLI_DONE : cli_fail(CLI_NO, "%s", error.text);
    for (size_t i = 0; is_mapped && i < receipt.count; i++) {
        if (!print_item(&receipt.items[i], mapping, &arena, call->json))
            status = CLI_NO;
    }
    json_clear(&json);
    arena_clear(&arena);
    return status;
}

static enum cli_exit run(const struct cli_call *call)
{
    struct mapping mapping = {0};
    struct text payload = {0};
    struct error error = {0};
    enum cli_exit status = find(call->words[0], &mapping);
    if (status == CLI_DONE && !cli_read(call->words[1], &payload, &error))
        status = cli_fail(error.code == ERROR_NOT_FOUND ? CLI_NOT_FOUND : CLI_NO, "%s", error.text);
    if (status == CLI_DONE)
        status = map(call, &mapping, &payload);
    text_clear(&payload);
    config_free(&mapping.config);
    return status;
}

const struct command command_map = {
    .name = "map",
    .arguments = "ces|guance|INTEGRATION [FILE] [-o json]",
    .summary = "Prints the Flashduty JSON that a payload becomes; sends nothing",
    .help =
        "FILE: the body as the vendor posts it; without it, standard input. An INTEGRATION of the\n"
        "configuration adds its own severities and labels. Signatures are not looked at: see "
        "verify.\n",
    .min_words = 1,
    .max_words = 2,
    .run = run,
};
