/*
 * libFuzzer: a payload of any vendor, and what is sent to Flashduty: JSON to a second parser too,
 * with the members of a standard event and no others, within its limits; and nothing in it of what
 * a payload holds that goes nowhere (people, addresses, targets, signatures).
 */
#include "delivery/flashduty.h"
#include "fit.h"
#include "fuzz.h"
#include "second_parser.h"

/* Of Guance's own and of monitors' tags; then of SMN's. */
static const char *const secrets[] = {
    "df_alert_info",
    "df_message_at_accounts",
    "df_nodata_message_at_accounts",
    "df_at_accounts",
    "df_at_accounts_nodata",
    "df_matched_alert_members",
    "df_matched_alert_upgrade_members",
    "df_matched_alert_member_groups",
    "df_user_id",
    "df_user_name",
    "df_user_email",
    "df_meta",
    "df_channels",
    "df_charts",
    "df_sent_target_types",
    "df_related_data",
    "status",
    "password",
    "signature",
    "signing_cert_url",
    "unsubscribe_url",
    "subscribe_url",
};

/* A text, a list, a list of people, or JSON in a text. */
static cJSON *secret_value(const char *canary, uint64_t kind)
{
    cJSON *text = cJSON_CreateString(canary), *list = NULL, *person = NULL;
    char json[CANARY_SIZE + 16];
    switch (kind % 4) {
    case 0:
        return text;
    case 1:
        list = cJSON_CreateArray();
        cJSON_AddItemToArray(list, text);
        return list;
    case 2:
        list = cJSON_CreateArray();
        person = cJSON_CreateObject();
        cJSON_AddItemToObject(person, "name", text);
        cJSON_AddItemToArray(list, person);
        return list;
    default:
        cJSON_Delete(text);
        snprintf(json, sizeof json, "{\"url\":\"%s\"}", canary);
        return cJSON_CreateString(json);
    }
}

static void plant(cJSON *object, const char *canary, uint64_t hash)
{
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        while (json_get(object, secrets[i]))
            cJSON_DeleteItemFromObjectCaseSensitive(object, secrets[i]);
        if (hash >> i & 1)
            cJSON_AddItemToObject(object, secrets[i], secret_value(canary, hash >> (i + 24)));
    }
}

static void must_be_text(const json_t *object, const char *name, size_t least, size_t most)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    MUST(text && strlen(text) == json_string_length(value));
    MUST(utf8_length(text) >= least && utf8_length(text) <= most);
}

static void must_be_labels(json_t *labels)
{
    const char *name;
    json_t *value;
    MUST(json_is_object(labels) && json_object_size(labels) <= ALERT_LABELS_MAX);
    json_object_foreach(labels, name, value)
    {
        MUST(!fault_of_name(name));
        must_be_text(labels, name, 1, ALERT_LABEL_VALUE_MAX);
    }
}

static void must_be_an_event(const struct alert *alert, const char *canary)
{
    struct text json = {0};
    json_error_t error;
    flashduty_encode(alert, &json);
    MUST(!json.failed && !strstr(text_string(&json), canary));
    json_t *event = json_loadb(text_string(&json), json.length, JSON_REJECT_DUPLICATES, &error);
    MUST(event && json_object_size(event) == 5);
    must_be_text(event, "title_rule", 1, ALERT_TITLE_MAX);
    must_be_text(event, "alert_key", 1, ALERT_KEY_MAX);
    must_be_text(event, "description", 0, ALERT_DESCRIPTION_MAX);
    MUST(!strcmp(json_string_value(json_object_get(event, "event_status")),
                 severity_names[alert->severity]));
    must_be_labels(json_object_get(event, "labels"));
    json_decref(event);
    text_clear(&json);
}

/* As an integration's labels are added. */
static void add_labels(struct alert *alert, struct arena *arena)
{
    alert_force_label(alert, arena, "team", "payments");
    alert_force_label(alert, arena, "source", "gateway");
    MUST(!strcmp(alert_label(alert, "team"), "payments"));
    MUST(!strcmp(alert_label(alert, "source"), "gateway"));
}

static void map(const struct vendor *vendor, const char *body, const char *canary)
{
    struct mapping mapping;
    bool is_mapped = mapping_of(&mapping, vendor, body, strlen(body));
    const char *fault = fault_of_mapping(&mapping, is_mapped);
    MUST(!fault && !strstr(mapping.error.text, canary));
    for (size_t i = 0; is_mapped && i < mapping.receipt.count; i++) {
        struct item *item = &mapping.receipt.items[i];
        if (item->kind != ITEM_ALERT)
            continue;
        must_be_an_event(&item->alert, canary);
        add_labels(&item->alert, &mapping.arena);
        must_be_an_event(&item->alert, canary);
    }
    mapping_clear(&mapping);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json json;
    struct error error = {0};
    struct arena arena = {0};
    char canary[CANARY_SIZE];
    uint64_t hash = hash_of(data, size);
    make_canary(data, size, canary);
    if (json_parse((const char *)data, size, &json, &error)) {
        /* A tree that may be changed. */
        cJSON *event, *tree = cJSON_Parse(json_compact(&arena, json.root));
        MUST(tree);
        if (cJSON_IsObject(tree))
            plant(tree, canary, hash);
        cJSON_ArrayForEach(event, tree)
        {
            if (cJSON_IsArray(tree) && cJSON_IsObject(event))
                plant(event, canary, hash);
        }
        const char *body = json_compact(&arena, tree);
        cJSON_Delete(tree);
        for (const struct vendor *const *vendor = vendors; *vendor; vendor++)
            map(*vendor, body, canary);
    }
    json_clear(&json);
    arena_clear(&arena);
    return 0;
}
