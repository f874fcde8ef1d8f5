/*
 * Guance (TrueWatch): the webhook of a notification target, one JSON object an event, or an array
 * of them. No signature is documented: the integration key is the credential. Only members that
 * are the event's own (df_…, timestamp, date, Result, workspace_…) are read: the tags of a monitor
 * stand beside them under any name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "vendors/vendor.h"

static const struct level levels[] = {
    {"fatal", "Fatal", SEVERITY_CRITICAL},
    {"critical", "Critical", SEVERITY_CRITICAL},
    {"error", "Error", SEVERITY_WARNING},
    {"warning", "Warning", SEVERITY_WARNING},
    {"info", "Info", SEVERITY_INFO},
    {"nodata", "Data Missing", SEVERITY_INFO},
    {"Data Missing", "Data Missing", SEVERITY_INFO},
    {"Data Gap", "Data Missing", SEVERITY_INFO},
    {"high", "High", SEVERITY_WARNING},
    {"medium", "Medium", SEVERITY_WARNING},
    {"low", "Low", SEVERITY_INFO},
    {NULL, NULL, SEVERITY_COUNT},
};

static const char *const recoveries[] = {"ok", "nodata_ok", "nodata_as_ok", "manual_ok"};

/* Seconds since 1970 of 2015: what lies before, Guance has not seen. */
#define TIME_MIN 1420070400
#define MILLISECONDS_MIN 100000000000.0
#define DAY_S 86400

#define HTML_TAG_MAX 128

/* An event on its way to an alert. Strings are "" where it says nothing. */
struct event {
    struct arena *arena;
    const cJSON *object;
    int64_t now_s;
    struct json tags_text; /* df_dimension_tags, parsed when it is text */
    const cJSON *tags;     /* the object; NULL if there is none */
    const char *status;    /* df_status, trimmed, lower case */
    bool is_recovery;
};

static const char *member(const struct event *event, const char *name)
{
    const char *value = json_scalar(event->arena, json_get(event->object, name));
    return value ? value : "";
}

/* The first of the names, newest first, that says something. */
static const char *either(const struct event *event, const char *name, const char *older)
{
    const char *value = member(event, name);
    return *value ? value : member(event, older);
}

static const char *lower(struct arena *arena, const char *string)
{
    const char *trimmed = text_trim(arena, string);
    char *copy = arena_alloc(arena, strlen(trimmed) + 1);
    if (!copy)
        return "";
    for (size_t i = 0; trimmed[i]; i++)
        copy[i] = (char)(trimmed[i] >= 'A' && trimmed[i] <= 'Z' ? trimmed[i] | 0x20 : trimmed[i]);
    return copy;
}

static bool is_recovery(const char *status)
{
    for (size_t i = 0; i < sizeof recoveries / sizeof *recoveries; i++) {
        if (!strcmp(status, recoveries[i]))
            return true;
    }
    return false;
}

/* ---- recognising ---- */

static bool has_own_member(const cJSON *object)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        if (item->string && !strncmp(item->string, "df_", 3))
            return true;
    }
    return false;
}

static bool recognises(const cJSON *root)
{
    return has_own_member(cJSON_IsArray(root) ? root->child : root);
}

/* ---- tags ---- */

static void read_tags(struct event *event)
{
    const cJSON *tags = json_get(event->object, "df_dimension_tags");
    if (!tags)
        tags = json_get(event->object, "df_dimension_tag");
    if (cJSON_IsObject(tags))
        event->tags = tags;
    if (cJSON_IsString(tags) &&
        json_parse_within(tags->valuestring, &event->tags_text, event->arena) &&
        cJSON_IsObject(event->tags_text.root))
        event->tags = event->tags_text.root;
}

/* The tags as they came, where they are no object. */
static const char *tags_as_text(const struct event *event)
{
    return event->tags
               ? ""
               : text_trim(event->arena, either(event, "df_dimension_tags", "df_dimension_tag"));
}

static const char *tag_value(const struct event *event, const cJSON *tag)
{
    if (cJSON_IsArray(tag) || cJSON_IsObject(tag))
        return json_compact(event->arena, tag);
    const char *value = json_scalar(event->arena, tag);
    return value ? value : "";
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The tags in one spelling: names sorted by their bytes, no blanks. */
static const char *canonical_tags(const struct event *event)
{
    size_t count = (size_t)cJSON_GetArraySize(event->tags), i = 0;
    const cJSON **sorted = arena_alloc(event->arena, (count + 1) * sizeof(cJSON *));
    struct text out = {0};
    if (!event->tags || !sorted)
        return tags_as_text(event);
    const cJSON *tag;
    cJSON_ArrayForEach(tag, event->tags) sorted[i++] = tag;
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (i = 0; i < count; i++) {
        text_putc(&out, i ? ',' : '{');
        text_json(&out, sorted[i]->string);
        text_putc(&out, ':');
        text_puts(&out, json_compact(event->arena, sorted[i]));
    }
    text_puts(&out, count ? "}" : "{}");
    return text_into(&out, event->arena);
}

static const char *dimensions(const struct event *event)
{
    struct text out = {0};
    const cJSON *tag;
    cJSON_ArrayForEach(tag, event->tags)
    {
        const char *value = tag_value(event, tag);
        if (*value)
            text_printf(&out, "%s%s:%s", out.length ? ", " : "", tag->string, value);
    }
    const char *list = text_into(&out, event->arena);
    return *list ? list : tags_as_text(event);
}

/* ---- identity ---- */

static const char *hashed(const struct event *event, const char *a, const char *b)
{
    char hex[SHA256_HEX_SIZE] = "";
    const char *joined = arena_printf(event->arena, "%s\n%s", a, b);
    if (!sha256_hex(joined, strlen(joined), hex))
        event->arena->failed = true;
    return arena_printf(event->arena, "guance:%s", hex);
}

/* A vendor's own id as a key; one that is too long for a key is hashed. */
static const char *prefixed(const struct event *event, const char *id)
{
    const char *key = arena_printf(event->arena, "guance:%s", id);
    return utf8_length(key) <= ALERT_KEY_MAX ? key : hashed(event, id, "");
}

/* Never title, status, value or time. NULL: a recovery that identifies no alert. */
static const char *key_of(const struct event *event)
{
    const char *ref = member(event, "df_monitor_checker_event_ref");
    const char *checker = member(event, "df_monitor_checker_id");
    const char *fault = member(event, "df_fault_id"), *id = member(event, "df_event_id");
    if (*ref)
        return prefixed(event, ref);
    if (*checker)
        return hashed(event, checker, canonical_tags(event));
    if (*fault)
        return prefixed(event, fault);
    if (event->is_recovery)
        return NULL;
    if (*id)
        return prefixed(event, id);
    /* Nothing identifies it: the event alone, which only a person closes. */
    return hashed(event, json_compact(event->arena, event->object), "event");
}

/* ---- texts ---- */

/* The event's time; a missing or absurd one is none. */
static const char *time_of(const struct event *event)
{
    char out[32];
    double time = strtod(either(event, "timestamp", "date"), NULL);
    if (time >= MILLISECONDS_MIN)
        time /= 1000;
    if (!(time >= TIME_MIN) || time > (double)(event->now_s + DAY_S))
        return "";
    clock_rfc3339((int64_t)time, out);
    return arena_string(event->arena, out);
}

static const char *value_of(const struct event *event)
{
    static const char *const nothing[] = {"null", "None"};
    const char *names[] = {"df_monitor_checker_value", "Result"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = member(event, names[i]);
        if (*value && strcmp(value, nothing[0]) && strcmp(value, nothing[1]))
            return value;
    }
    return "";
}

static const char *title_of(const struct event *event)
{
    const char *title = either(event, "df_title", "df_monitor_checker_name");
    if (*text_trim(event->arena, title))
        return title;
    const char *tags = dimensions(event);
    return arena_printf(event->arena, "Guance %s%s%s", *event->status ? event->status : "event",
                        *tags ? " " : "", tags);
}

/* Length of an HTML tag called name at the start of text (`<br/>`, `</font>`, `<font color=…>`);
 * 0 if there is none. One that is longer than any chat tool's is text. */
static size_t html_tag(const char *text, const char *name)
{
    const char *start = text + 1 + (text[1] == '/');
    const char *end = start + strlen(name);
    if (strncmp(start, name, strlen(name)) || !strchr(" />", *end))
        return 0;
    end = memchr(end, '>', strnlen(end, HTML_TAG_MAX));
    return end ? (size_t)(end - text) + 1 : 0;
}

/* Markdown stays; the two HTML tags that chat tools need are no help in an alert. */
static const char *message_of(const struct event *event)
{
    struct text out = {0};
    const char *message = member(event, "df_message");
    while (*message) {
        size_t plain = strcspn(message, "<");
        text_append(&out, message, plain);
        message += plain;
        if (!*message)
            break;
        size_t line = html_tag(message, "br"), font = html_tag(message, "font");
        if (line)
            text_putc(&out, '\n');
        else if (!font)
            text_putc(&out, '<');
        message += line ? line : font ? font : 1;
    }
    return text_into(&out, event->arena);
}

static const char *lines_of(const struct event *event)
{
    struct text lines = {0};
    const struct {
        const char *name, *value;
    } rows[] = {
        {"Value: ", value_of(event)},
        {"Dimensions: ", dimensions(event)},
        {"Event time: ", time_of(event)},
        {"Reason: ", member(event, "df_event_reason")},
        {"Link: ", either(event, "df_event_link", "df_event_url")},
    };
    const char *sub_status = lower(event->arena, member(event, "df_sub_status"));
    if (!strcmp(sub_status, "manual_ok") || !strcmp(event->status, "manual_ok"))
        text_puts(&lines, "Recovered by hand\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = utf8_cut(event->arena, rows[i].value, 400);
        if (*value)
            text_printf(&lines, "%s%s\n", rows[i].name, value);
    }
    return text_into(&lines, event->arena);
}

/* ---- labels ---- */

/* A list, or text that holds one, joined with commas. */
static const char *joined(const struct event *event, const cJSON *list)
{
    struct json parsed = {0};
    struct text out = {0};
    if (cJSON_IsString(list) && json_parse_within(list->valuestring, &parsed, event->arena) &&
        cJSON_IsArray(parsed.root))
        list = parsed.root;
    if (!cJSON_IsArray(list))
        text_puts(&out, tag_value(event, list));
    const cJSON *item = cJSON_IsArray(list) ? list->child : NULL;
    for (; item; item = item->next) {
        const char *value = tag_value(event, item);
        if (*value)
            text_printf(&out, "%s%s", out.length ? "," : "", value);
    }
    json_clear(&parsed);
    return text_into(&out, event->arena);
}

/* The names of the gateway's own labels, in the order of their worth. */
static const char *const own_names[] = {
    "source",
    "unmapped",
    "severity_unmapped",
    "check",
    "check_id",
    "check_type",
    "check_stage",
    "alert_strategy",
    "workspace",
    "workspace_id",
    "site",
    "guance_status",
    "guance_sub_status",
    "event_id",
    "fault_id",
    "event_time",
    "link",
    "value",
    "monitor_labels",
    "dimensions",
};
#define OWN_COUNT (sizeof own_names / sizeof *own_names)

/* Adds a tag under a name that is free: tag_NAME if one of ours could have it, NAME_2 beside
 * another tag. */
static void add_tag(struct alert *alert, const struct event *event, const char *name,
                    const char *value)
{
    const char *valid = alert_label_name(event->arena, name);
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (!strcmp(own_names[i], valid)) {
            valid = arena_printf(event->arena, "tag_%s", valid);
            break;
        }
    }
    const char *free_name = valid;
    for (int i = 2; *value && alert_label(alert, free_name); i++)
        free_name = arena_printf(event->arena, "%.*s_%d", ALERT_LABEL_NAME_MAX - 4, valid, i);
    alert_add_label(alert, event->arena, free_name, value);
}

static void add_labels(struct alert *alert, const struct event *event, bool is_unmapped)
{
    const char *const values[] = {
        "guance",
        *event->status ? "" : "df_status",
        is_unmapped && *event->status ? event->status : "",
        member(event, "df_monitor_checker_name"),
        member(event, "df_monitor_checker_id"),
        member(event, "df_monitor_checker"),
        member(event, "df_monitor_checker_sub"),
        member(event, "df_monitor_name"),
        either(event, "df_workspace_name", "workspace_name"),
        either(event, "df_workspace_uuid", "workspace_uuid"),
        member(event, "df_site_name"),
        member(event, "df_status"),
        member(event, "df_sub_status"),
        member(event, "df_event_id"),
        member(event, "df_fault_id"),
        time_of(event),
        either(event, "df_event_link", "df_event_url"),
        value_of(event),
        joined(event, json_get(event->object, "df_label")),
        dimensions(event),
    };
    _Static_assert(sizeof values / sizeof *values == OWN_COUNT, "a value for each own label");
    for (size_t i = 0; i < OWN_COUNT; i++)
        alert_add_label(alert, event->arena, own_names[i], values[i]);
    const cJSON *item;
    cJSON_ArrayForEach(item, event->tags)
        add_tag(alert, event, item->string, tag_value(event, item));
    cJSON_ArrayForEach(item, json_get(event->object, "df_workspace_declaration"))
    {
        if (item->string)
            add_tag(alert, event, item->string, joined(event, item));
    }
}

/* ---- the vendor ---- */

static void map(struct event *event, struct item *item)
{
    struct alert *alert = &item->alert;
    const struct level *level = vendor_level(&vendor_guance, event->status);
    item->kind = ITEM_ALERT;
    alert->key = key_of(event);
    if (!alert->key) {
        item->kind = ITEM_IGNORED;
        item->reason = "a recovery that does not say of which alert";
        return;
    }
    alert->severity = level ? level->severity : SEVERITY_WARNING;
    alert->level = level ? level->row : *event->status ? event->status : NULL;
    if (event->is_recovery) {
        alert->severity = SEVERITY_OK;
        alert->level = NULL;
    }
    alert_set_title(alert, event->arena, title_of(event));
    alert_set_description(alert, event->arena, message_of(event), lines_of(event));
    add_labels(alert, event, !level && !event->is_recovery);
}

/* The names of the members, never their values: what a message that is no event looked like. */
static const char *member_names(struct arena *arena, const cJSON *object)
{
    struct text names = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        if (names.length < 256)
            text_printf(&names, "%s%.64s", names.length ? ", " : "", item->string);
    }
    return text_into(&names, arena);
}

static void parse_event(const cJSON *object, const struct vendor_input *input, struct arena *arena,
                        struct item *item)
{
    struct event event = {.arena = arena, .object = object, .now_s = input->now_ms / 1000};
    const cJSON *status = json_get(object, "df_status");
    if (!cJSON_IsObject(object) || !has_own_member(object)) {
        item->kind = ITEM_REFUSED;
        item->reason = "expected a Guance event: a JSON object with members df_status, df_title, …";
        return;
    }
    event.status = lower(arena, cJSON_IsString(status) ? status->valuestring : "");
    event.is_recovery = is_recovery(event.status);
    if (!*event.status && !*member(&event, "df_event_id")) {
        item->kind = ITEM_IGNORED;
        item->reason = arena_printf(arena, "a test message or a notice, no event: it has only %s",
                                    member_names(arena, object));
        return;
    }
    read_tags(&event);
    map(&event, item);
    json_clear(&event.tags_text);
}

static bool authenticate(const struct vendor_input *input, const struct json *json,
                         struct arena *arena, struct error *error)
{
    (void)input;
    (void)json;
    (void)arena;
    (void)error;
    return true;
}

static bool parse(const struct vendor_input *input, const struct json *json, struct arena *arena,
                  struct receipt *receipt, struct error *error)
{
    const cJSON *root = json->root;
    receipt->is_array = cJSON_IsArray(root);
    receipt->count = receipt->is_array ? (size_t)cJSON_GetArraySize(root) : 1;
    receipt->message_id = "";
    if (receipt->count == 0)
        return error_set(error, ERROR_INVALID, "expected Guance events: the array is empty");
    receipt->items = arena_alloc(arena, receipt->count * sizeof *receipt->items);
    if (!receipt->items)
        return error_out_of_memory(error);
    const cJSON *object = receipt->is_array ? root->child : root;
    for (size_t i = 0; i < receipt->count; i++, object = object->next)
        parse_event(object, input, arena, &receipt->items[i]);
    if (arena->failed)
        return error_out_of_memory(error);
    if (!receipt->is_array && receipt->items[0].kind == ITEM_REFUSED)
        return error_set(error, ERROR_INVALID, "%s", receipt->items[0].reason);
    const char *id = receipt->is_array ? NULL : json_string(root, "df_event_id");
    receipt->message_id = arena_string(arena, id);
    return true;
}

const struct vendor vendor_guance = {
    .name = "guance",
    .title = "Guance",
    .endpoint = "guance.fcgi",
    .sender = "a Guance notification target (webhook)",
    .levels = levels,
    .refuses_text = true,
    .recognises = recognises,
    .authenticate = authenticate,
    .parse = parse,
};
