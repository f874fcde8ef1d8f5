#include "cli/payload.h"

#include <string.h>

#include "base/clock.h"

enum cli_exit payload_read(const char *file, const struct vendor *vendor,
                           const struct smn_settings *smn, struct payload *payload)
{
    struct error error = {0};
    *payload = (struct payload){0};
    if (!cli_read(file, &payload->bytes, &error))
        return cli_fail(error.code == ERROR_NOT_FOUND ? CLI_NOT_FOUND : CLI_NO, "%s", error.text);
    const struct vendor_input input = {
        .body = text_string(&payload->bytes),
        .length = payload->bytes.length,
        .now_ms = clock_wall_ms(),
        .smn = smn,
    };
    bool is_parsed =
        json_parse(input.body, input.length, &payload->json, &error) &&
        vendor->parse(&input, &payload->json, &payload->arena, &payload->receipt, &error);
    return is_parsed ? CLI_DONE : cli_fail(CLI_NO, "%s", error.text);
}

void payload_clear(struct payload *payload)
{
    json_clear(&payload->json);
    arena_clear(&payload->arena);
    text_clear(&payload->bytes);
}

const struct integration *payload_integration(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->integration_count; i++) {
        if (!strcmp(config->integrations[i].name, name))
            return &config->integrations[i];
    }
    cli_fail(CLI_NOT_FOUND, "\"%s\" is no integration of %s", name,
             *config->path ? config->path : "a configuration");
    return NULL;
}
