#include <stdio.h>

#include "cli/looking.h"
#include "cli/payload.h"
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
    mapping->vendor = vendor_find(name);
    if (mapping->vendor)
        return config_defaults(&mapping->config, &error) ? CLI_DONE
                                                         : cli_fail(CLI_NO, "%s", error.text);
    if (!looking_configure(NULL, &mapping->config))
        return CLI_NO;
    mapping->integration = payload_integration(&mapping->config, name);
    if (!mapping->integration)
        return CLI_NOT_FOUND;
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

static enum cli_exit run(const struct cli_call *call)
{
    struct mapping mapping = {0};
    struct payload payload = {0};
    enum cli_exit status = find(call->words[0], &mapping);
    if (status == CLI_DONE)
        status = payload_read(call->words[1], mapping.vendor, &mapping.config.smn, &payload);
    for (size_t i = 0; i < payload.receipt.count; i++) {
        if (!print_item(&payload.receipt.items[i], &mapping, &payload.arena, call->json))
            status = CLI_NO;
    }
    payload_clear(&payload);
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
