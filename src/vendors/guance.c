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
#include "vendors/guance_text.h"
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
#define TIME_LIMIT 0x1p63 /* no int64_t holds it */
#define MILLISECONDS_MIN 100000000000.0
#define DAY_S 86400

/* How much of a value a line of the description shows, in characters: all of them together fit
 * beside the message, and a link that is cut leads nowhere. */
#define LINE_WORD_MAX 120
#define LINE_TEXT_MAX 360
#define LINE_LINK_MAX 600

/* What an id may have to stand in a key as it is. */
#define KEY_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"

/* An event on its way to an alert. Strings are "" where it says nothing. */
struct event {
    struct arena *arena;
    const cJSON *object;
    int64_t now_s;
    struct json tags_text;  /* df_dimension_tags, parsed when it is text */
    const cJSON *tags;      /* the object; NULL if there is none, or nothing in it */
    const char *other_tags; /* the tags as they came, where they are no object */
    const char *status;     /* df_status, trimmed, lower case */
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

/* ---- times ---- */

/* A member that is a time, in seconds or milliseconds, however far ahead; 0 if it is missing or
 * absurd. */
static int64_t time_member(const struct event *event, const char *name)
{
    double time = strtod(member(event, name), NULL);
    if (time >= MILLISECONDS_MIN)
        time /= 1000;
    return time >= TIME_MIN && time < TIME_LIMIT ? (int64_t)time : 0;
}

/* ---- tags ---- */

static const char *tag_value(const struct event *event, const cJSON *tag)
{
    if (cJSON_IsArray(tag) || cJSON_IsObject(tag))
        return json_compact(event->arena, tag);
    const char *value = json_scalar(event->arena, tag);
    return value ? value : "";
}

static void read_tags(struct event *event)
{
    const cJSON *tags = json_get(event->object, "df_dimension_tags");
    if (!tags || cJSON_IsNull(tags))
        tags = json_get(event->object, "df_dimension_tag");
    const cJSON *parsed = tags;
    if (cJSON_IsString(tags) &&
        json_parse_within(tags->valuestring, &event->tags_text, event->arena))
        parsed = event->tags_text.root;
    if (cJSON_IsObject(parsed) && parsed->child)
        event->tags = parsed;
    bool is_nothing = cJSON_IsObject(parsed) || cJSON_IsNull(parsed);
    event->other_tags = is_nothing ? "" : text_trim(event->arena, tag_value(event, tags));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The tags in one spelling: names sorted by their bytes, no blanks; "" for none at all. */
static const char *canonical_tags(const struct event *event)
{
    size_t count = (size_t)cJSON_GetArraySize(event->tags), i = 0;
    const cJSON **sorted = arena_alloc(event->arena, (count + 1) * sizeof(cJSON *));
    struct text out = {0};
    if (!event->tags || !sorted)
        return event->other_tags;
    const cJSON *tag;
    cJSON_ArrayForEach(tag, event->tags) sorted[i++] = tag;
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (i = 0; i < count; i++) {
        text_putc(&out, i ? ',' : '{');
        text_json(&out, sorted[i]->string);
        text_putc(&out, ':');
        text_puts(&out, json_compact(event->arena, sorted[i]));
    }
    text_putc(&out, '}');
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
    return *list ? list : event->other_tags;
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

/* An id; what is blank, true or false is none. */
static const char *id_member(const struct event *event, const char *name)
{
    bool is_flag = cJSON_IsBool(json_get(event->object, name));
    return is_flag ? "" : text_trim(event->arena, member(event, name));
}

/* A vendor's own id as a key; one that is too long for a key, or no mere word, is hashed. */
static const char *prefixed(const struct event *event, const char *id)
{
    const char *key = arena_printf(event->arena, "guance:%s", id);
    bool is_word = strspn(key, KEY_CHARACTERS) == strlen(key);
    return is_word && strlen(key) <= ALERT_KEY_MAX ? key : hashed(event, id, "");
}

/* The status, too: an event that goes on under its id is no repeat. */
static const char *message_id_of(const struct event *event)
{
    const char *id = id_member(event, "df_event_id");
    return *id ? arena_printf(event->arena, "%s:%s", id, event->status) : "";
}

/* Never title, status, value or time. NULL: a recovery that identifies no alert. */
static const char *key_of(const struct event *event)
{
    const char *ref = id_member(event, "df_monitor_checker_event_ref");
    const char *checker = id_member(event, "df_monitor_checker_id");
    const char *fault = id_member(event, "df_fault_id"), *id = id_member(event, "df_event_id");
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

/* 0 if the time lies too far ahead to be shown. */
static int64_t credible(const struct event *event, int64_t seconds)
{
    return seconds <= event->now_s + DAY_S ? seconds : 0;
}

/* The event's time; that of its arrival if it has none that can be right. */
static const char *time_of(const struct event *event)
{
    char out[32];
    int64_t seconds = credible(event, time_member(event, "timestamp"));
    if (!seconds)
        seconds = credible(event, time_member(event, "date"));
    clock_rfc3339(seconds ? seconds : event->now_s, out);
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

static void set_title(struct alert *alert, const struct event *event)
{
    const char *tags = dimensions(event);
    const char *candidates[] = {
        member(event, "df_title"),
        member(event, "df_monitor_checker_name"),
        arena_printf(event->arena, "Guance %s%s%s", *event->status ? event->status : "event",
                     *tags ? " " : "", tags),
    };
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates && !alert->title; i++)
        alert_set_title(alert, event->arena, candidates[i]);
}

/* A text that people wrote. */
static const char *prose(const struct event *event, const char *name)
{
    return guance_plain(event->arena, member(event, name), event->object);
}

static const char *lines_of(const struct event *event)
{
    struct text lines = {0};
    const struct {
        const char *name, *value;
        size_t limit;
    } rows[] = {
        {"Value: ", value_of(event), LINE_WORD_MAX},
        {"Dimensions: ", dimensions(event), LINE_TEXT_MAX},
        {"Event time: ", time_of(event), LINE_WORD_MAX},
        {"Reason: ", prose(event, "df_event_reason"), LINE_TEXT_MAX},
        {"Link: ", either(event, "df_event_link", "df_event_url"), LINE_LINK_MAX},
    };
    const char *sub_status = lower(event->arena, member(event, "df_sub_status"));
    if (!strcmp(sub_status, "manual_ok") || !strcmp(event->status, "manual_ok"))
        text_puts(&lines, "Recovered by hand\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = utf8_cut(event->arena, rows[i].value, rows[i].limit);
        if (*value)
            text_printf(&lines, "%s%s\n", rows[i].name, value);
    }
    return text_into(&lines, event->arena);
}

/* ---- labels ---- */

/* A list joined with commas; what is no list as a tag's value would be. */
static const char *joined(const struct event *event, const cJSON *list)
{
    struct text out = {0};
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return tag_value(event, list);
    cJSON_ArrayForEach(item, list)
    {
        const char *value = tag_value(event, item);
        if (*value)
            text_printf(&out, "%s%s", out.length ? "," : "", value);
    }
    return text_into(&out, event->arena);
}

/* The monitor's labels: documented as a list, seen as text that holds one. */
static const char *monitor_labels(const struct event *event)
{
    struct json parsed = {0};
    const cJSON *labels = json_get(event->object, "df_label");
    if (cJSON_IsString(labels) && json_parse_within(labels->valuestring, &parsed, event->arena) &&
        cJSON_IsArray(parsed.root))
        labels = parsed.root;
    const char *list = arena_string(event->arena, joined(event, labels));
    json_clear(&parsed);
    return list;
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
    if (alert->label_count == ALERT_LABELS_MAX)
        return;
    const char *valid = alert_label_name(event->arena, name);
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (!strcmp(own_names[i], valid)) {
            valid = arena_printf(event->arena, "tag_%s", valid);
            break;
        }
    }
    const char *free_name = valid;
    /* Without memory no name is free. */
    for (int i = 2; *value && !event->arena->failed && alert_label(alert, free_name); i++)
        free_name = arena_printf(event->arena, "%.*s_%d", ALERT_LABEL_NAME_MAX - 4, valid, i);
    alert_add_label(alert, event->arena, free_name, value);
}

static void add_labels(struct alert *alert, const struct event *event, bool is_unmapped)
{
    const char *const values[] = {
        "guance",
        *event->status ? "" : "df_status",
        is_unmapped && *event->status ? member(event, "df_status") : "",
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
        monitor_labels(event),
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
    alert->time_s = time_member(event, "timestamp");
    alert->severity = level ? level->severity : SEVERITY_WARNING;
    alert->level = level ? level->row : *event->status ? event->status : NULL;
    if (event->is_recovery) {
        alert->severity = SEVERITY_OK;
        alert->level = NULL;
    }
    set_title(alert, event);
    alert_set_description(alert, event->arena, prose(event, "df_message"), lines_of(event));
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

/* A refinement of df_status that says something else. */
static const char *note_of(const struct event *event)
{
    const char *sub_status = lower(event->arena, member(event, "df_sub_status"));
    bool is_one =
        !strcmp(sub_status, event->status) || (event->is_recovery && is_recovery(sub_status));
    if (is_one || !*sub_status || !*event->status)
        return NULL;
    return arena_printf(event->arena, "df_status \"%.32s\" stands, df_sub_status says \"%.32s\"",
                        event->status, sub_status);
}

static void parse_event(const cJSON *object, const struct vendor_input *input, struct arena *arena,
                        struct item *item)
{
    struct event event = {.arena = arena, .object = object, .now_s = input->now_ms / 1000};
    const cJSON *status = json_get(object, "df_status");
    item->message_id = "";
    if (!cJSON_IsObject(object) || !has_own_member(object)) {
        item->kind = ITEM_REFUSED;
        item->reason = "expected a Guance event: a JSON object with members df_status, df_title, …";
        return;
    }
    event.status = lower(arena, cJSON_IsString(status) ? status->valuestring : "");
    event.is_recovery = is_recovery(event.status);
    item->message_id = message_id_of(&event);
    item->note = note_of(&event);
    item->note_is_detail = item->note != NULL;
    bool has_status = *event.status || cJSON_IsNumber(status) || cJSON_IsBool(status) ||
                      cJSON_IsArray(status) || cJSON_IsObject(status);
    if (!has_status && !*item->message_id) {
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
