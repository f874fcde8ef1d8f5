/*
 * libFuzzer: a CES message. The input is a line with the subject, and the message; the envelope
 * around them is made here. An alarm is never lost, and its end has its key.
 */
#include "fit.h"
#include "fuzz.h"

static void wrap(struct text *body, const char *subject, const char *message)
{
    text_puts(body, "{\"type\":\"Notification\",\"message_id\":\"0a\",\"topic_urn\":"
                    "\"urn:smn:cn-north-4:0123456789abcdef0123456789abcdef:ops-alarms\","
                    "\"timestamp\":\"2026-11-20T08:39:44Z\",\"subject\":");
    text_json(body, subject);
    text_puts(body, ",\"message\":");
    text_json(body, message);
    text_putc(body, '}');
}

/* The alert, or NULL for a recovery that identifies none. */
static const struct alert *map(struct mapping *mapping, const char *subject, const char *message)
{
    struct text body = {0};
    wrap(&body, subject, message);
    bool is_mapped = mapping_of(mapping, &vendor_ces, text_string(&body), body.length);
    const char *fault = fault_of_mapping(mapping, is_mapped);
    if (fault)
        fprintf(stderr, "%s\n", fault);
    MUST(is_mapped && !fault && mapping->receipt.count == 1);
    const struct item *item = mapping->receipt.items;
    MUST(item->kind == ITEM_ALERT || item->kind == ITEM_IGNORED);
    text_clear(&body);
    return item->kind == ITEM_ALERT ? &item->alert : NULL;
}

/* The message with another IsAlarm, as the template's fields have it. */
static const char *with_flag(struct arena *arena, const cJSON *message, bool flag)
{
    cJSON *copy = cJSON_Duplicate(message, true);
    cJSON *data = cJSON_GetObjectItemCaseSensitive(copy, "data");
    cJSON *fields = cJSON_IsObject(data) ? data : copy;
    while (cJSON_GetObjectItem(fields, "IsAlarm"))
        cJSON_DeleteItemFromObject(fields, "IsAlarm");
    cJSON_AddBoolToObject(fields, "IsAlarm", flag);
    const char *text = json_compact(arena, copy);
    cJSON_Delete(copy);
    return text;
}

static void must_share_a_key(const char *subject, const cJSON *message)
{
    struct arena arena = {0};
    struct mapping raised, cleared;
    const struct alert *alarm = map(&raised, subject, with_flag(&arena, message, true));
    const struct alert *end = map(&cleared, subject, with_flag(&arena, message, false));
    if (alarm && end)
        MUST(!strcmp(alarm->key, end->key));
    mapping_clear(&raised);
    mapping_clear(&cleared);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mapping mapping;
    struct json json;
    struct error error = {0};
    struct arena arena = {0};
    const char *input = arena_copy(&arena, size ? (const char *)data : "", size);
    size_t line = strcspn(input, "\n");
    const char *subject = arena_copy(&arena, input, line);
    const char *message = input + line + (input[line] == '\n');
    map(&mapping, subject, message);
    mapping_clear(&mapping);
    if (json_parse(message, strlen(message), &json, &error) && cJSON_IsObject(json.root))
        must_share_a_key(subject, json.root);
    json_clear(&json);
    arena_clear(&arena);
    return 0;
}
