/*
 * libFuzzer: a body of Guance. What it becomes may be sent, and an alarm and its end share a key.
 */
#include "fit.h"
#include "fuzz.h"

static bool map(struct mapping *mapping, const char *body, size_t length)
{
    bool is_mapped = mapping_of(mapping, &vendor_guance, body, length);
    const char *fault = fault_of_mapping(mapping, is_mapped);
    if (fault)
        fprintf(stderr, "%s\n", fault);
    MUST(!fault);
    return is_mapped;
}

static bool map_status(struct mapping *mapping, const cJSON *event, const char *status)
{
    cJSON *copy = cJSON_Duplicate(event, true);
    while (json_get(copy, "df_status"))
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "df_status");
    cJSON_AddStringToObject(copy, "df_status", status);
    char *body = cJSON_PrintUnformatted(copy);
    bool is_mapped = map(mapping, body, strlen(body));
    cJSON_free(body);
    cJSON_Delete(copy);
    return is_mapped;
}

static void must_share_a_key(const cJSON *event)
{
    struct mapping raised, cleared;
    MUST(map_status(&raised, event, "critical") && map_status(&cleared, event, "ok"));
    const struct item *alarm = raised.receipt.items, *end = cleared.receipt.items;
    MUST(alarm->kind == ITEM_ALERT && alarm->alert.severity == SEVERITY_CRITICAL);
    MUST(end->kind == ITEM_IGNORED || end->alert.severity == SEVERITY_OK);
    if (end->kind == ITEM_ALERT)
        MUST(!strcmp(alarm->alert.key, end->alert.key));
    mapping_clear(&raised);
    mapping_clear(&cleared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mapping mapping;
    if (map(&mapping, (const char *)data, size)) {
        const cJSON *root = mapping.json.root;
        MUST(mapping.receipt.count == (cJSON_IsArray(root) ? (size_t)cJSON_GetArraySize(root) : 1));
        if (cJSON_IsObject(root))
            must_share_a_key(root);
    }
    mapping_clear(&mapping);
    return 0;
}
