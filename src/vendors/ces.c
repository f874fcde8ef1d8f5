/*
 * Huawei Cloud CES: alarms in SMN notifications. Two bodies exist side by side, the classic one
 * and the one made by a content template, whose text users may edit; other services and people
 * publish to the same topics. All of them become an alert.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "vendors/ces_text.h"
#include "vendors/smn.h"
#include "vendors/vendor.h"

static const struct level levels[] = {
    {"critical", "Critical", SEVERITY_CRITICAL},
    {"1", "Critical", SEVERITY_CRITICAL},
    {"紧急", "Critical", SEVERITY_CRITICAL},
    {"緊急", "Critical", SEVERITY_CRITICAL},
    {"major", "Major", SEVERITY_CRITICAL},
    {"2", "Major", SEVERITY_CRITICAL},
    {"重要", "Major", SEVERITY_CRITICAL},
    {"minor", "Minor", SEVERITY_WARNING},
    {"3", "Minor", SEVERITY_WARNING},
    {"次要", "Minor", SEVERITY_WARNING},
    {"info", "Info", SEVERITY_INFO},
    {"informational", "Info", SEVERITY_INFO},
    {"information", "Info", SEVERITY_INFO},
    {"4", "Info", SEVERITY_INFO},
    {"提示", "Info", SEVERITY_INFO},
    {NULL, NULL, SEVERITY_COUNT},
};

/* CES's own default for a rule without a level. */
#define DEFAULT_ROW "Major"

enum shape { SHAPE_CLASSIC, SHAPE_TEMPLATE, SHAPE_FLAT, SHAPE_FOREIGN, SHAPE_TEXT };

/* A message on its way to an alert. Strings are "" where the message says nothing. */
struct message {
    struct arena *arena;
    const struct smn_envelope *envelope;
    enum shape shape;
    const cJSON *top;    /* the object that the message is; NULL for text */
    const cJSON *fields; /* where the template's fields stand */
    const char *text;    /* the message as it came */
    struct ces_text subject_text, body_text;
    bool is_event;
};

/* A field of the template: newer payloads spell some with other capitals. */
static const char *field(const struct message *message, const char *name)
{
    const cJSON *item = json_get_ignoring_case(message->fields, name);
    const char *value = json_scalar(message->arena, item);
    return value ? value : "";
}

static const char *top(const struct message *message, const char *name)
{
    const char *value = json_scalar(message->arena, json_get(message->top, name));
    return value ? value : "";
}

/* A member of an object within the top one. */
static const char *nested(const struct message *message, const char *object, const char *name)
{
    const cJSON *item = json_get(json_get(message->top, object), name);
    const char *value = json_scalar(message->arena, item);
    return value ? value : "";
}

static const char *first_of(const char *a, const char *b)
{
    return *a ? a : b;
}

/* ---- recognising ---- */

static enum shape shape_of(const cJSON *root)
{
    static const char *const names[] = {"AlarmRuleName", "AlarmLevel", "IsAlarm", "MetricName",
                                        "ResourceName"};
    if (!cJSON_IsObject(root))
        return SHAPE_TEXT;
    if (json_get(root, "alarm_id") || json_get(root, "alarm_status"))
        return SHAPE_CLASSIC;
    const cJSON *data = json_get(root, "data");
    if (cJSON_IsObject(data) && json_get(root, "version"))
        return SHAPE_TEMPLATE;
    int in_data = 0, in_root = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        in_data += json_get_ignoring_case(data, names[i]) != NULL;
        in_root += json_get_ignoring_case(root, names[i]) != NULL;
    }
    if (in_data >= 2)
        return SHAPE_TEMPLATE;
    return in_root >= 2 ? SHAPE_FLAT : SHAPE_FOREIGN;
}

static const cJSON *fields_of(enum shape shape, const cJSON *root)
{
    switch (shape) {
    case SHAPE_CLASSIC:
        return json_get(root, "template_variable");
    case SHAPE_TEMPLATE:
        return json_get(root, "data");
    case SHAPE_FLAT:
        return root;
    case SHAPE_FOREIGN:
    case SHAPE_TEXT:
        break;
    }
    return NULL;
}

/* Parses the JSON that the string holds, once more if that is a string again. */
static bool parse_inner(struct arena *arena, const char *text, struct json *inner)
{
    struct json again = {0};
    if (!json_parse_within(text, inner, arena))
        return false;
    if (cJSON_IsString(inner->root) && json_parse_within(inner->root->valuestring, &again, arena)) {
        json_clear(inner);
        *inner = again;
    }
    return true;
}

/* ---- status and level ---- */

static bool is_word_of(const char *word, const char *const *words)
{
    for (; *words; words++) {
        if (text_equal_ignoring_case(word, *words))
            return true;
    }
    return false;
}

enum flag { FLAG_MISSING, FLAG_FALSE, FLAG_TRUE };

static enum flag flag_field(const struct message *message, const char *name)
{
    static const char *const yes[] = {"true", "1", NULL}, *const no[] = {"false", "0", NULL};
    const char *value = text_trim(message->arena, field(message, name));
    if (is_word_of(value, yes))
        return FLAG_TRUE;
    return is_word_of(value, no) ? FLAG_FALSE : FLAG_MISSING;
}

static bool is_event(const struct message *message)
{
    static const char *const words[] = {"事件", "event", NULL};
    return is_word_of(field(message, "AlarmNotificationType"), words) ||
           *field(message, "EventName") || *field(message, "EventContent");
}

enum state { STATE_ALARM, STATE_OVER, STATE_NO_DATA };

/* A template leaves unset fields out, so a metric's message without IsAlarm is a recovery unless
 * its subject says otherwise. An event never recovers. A user's own template may just lack it. */
static enum state template_state(const struct message *message)
{
    enum ces_state subject = message->subject_text.state;
    if (message->is_event)
        return STATE_ALARM;
    switch (flag_field(message, "IsAlarm")) {
    case FLAG_TRUE:
        return STATE_ALARM;
    case FLAG_FALSE:
        return STATE_OVER;
    case FLAG_MISSING:
        break;
    }
    if (subject == CES_STATE_UNKNOWN)
        return message->shape == SHAPE_FLAT ? STATE_ALARM : STATE_OVER;
    return subject == CES_STATE_OK ? STATE_OVER : STATE_ALARM;
}

static enum state state_of(const struct message *message)
{
    static const char *const over[] = {"ok", "ok_manual", "invalid", NULL};
    const char *status = top(message, "alarm_status");
    const char *ended = top(message, "ends_at");
    switch (message->shape) {
    case SHAPE_CLASSIC:
        if (is_word_of(status, over))
            return STATE_OVER;
        if (text_equal_ignoring_case(status, "insufficient_data"))
            return STATE_NO_DATA;
        return *status ? STATE_ALARM : template_state(message);
    case SHAPE_TEMPLATE:
    case SHAPE_FLAT:
        return template_state(message);
    case SHAPE_FOREIGN:
        /* AOM: the time at which the alarm was cleared, 0 while it stands. */
        return json_get(message->top, "metadata") && *ended && strcmp(ended, "0") ? STATE_OVER
                                                                                  : STATE_ALARM;
    case SHAPE_TEXT:
        break;
    }
    enum ces_state text =
        message->body_text.state ? message->body_text.state : message->subject_text.state;
    return text == CES_STATE_OK ? STATE_OVER : STATE_ALARM;
}

static const char *level_of(const struct message *message)
{
    const char *candidates[] = {
        field(message, "AlarmLevel"), top(message, "alarm_level"),
        top(message, "level"),        message->subject_text.level,
        message->body_text.level,     nested(message, "metadata", "event_severity"),
    };
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const char *word = text_trim(message->arena, candidates[i]);
        if (*word)
            return word;
    }
    return "";
}

static void set_severity(struct alert *alert, const struct message *message, enum state state)
{
    const char *word = level_of(message);
    bool is_ces = message->shape != SHAPE_FOREIGN && message->shape != SHAPE_TEXT;
    const struct level *level = vendor_level(&vendor_ces, *word || !is_ces ? word : DEFAULT_ROW);
    alert->severity = level ? level->severity : SEVERITY_WARNING;
    alert->level = level ? level->row : *word ? word : NULL;
    alert_add_label(alert, message->arena, "alarm_level", word);
    if (!level && *word)
        alert_add_label(alert, message->arena, "severity_unmapped", word);
    if (state == STATE_ALARM)
        return;
    alert->severity = state == STATE_OVER ? SEVERITY_OK : SEVERITY_INFO;
    alert->level = NULL;
    alert_remove_label(alert, "severity_unmapped");
}

/* ---- identity ---- */

/* One element of a key, with its length in front, so that no name can forge a neighbour. */
static void key_element(struct text *key, const char *value)
{
    text_printf(key, "%zu:", strlen(value));
    text_puts(key, value);
    text_putc(key, ',');
}

static const char *hashed_key(struct arena *arena, const char *const *elements)
{
    struct text list = {0};
    char hex[SHA256_HEX_SIZE] = "";
    key_element(&list, "v1");
    for (; *elements; elements++)
        key_element(&list, *elements);
    if (list.failed || !sha256_hex(text_string(&list), list.length, hex))
        arena->failed = true;
    text_clear(&list);
    return arena_printf(arena, "ces:%s", hex);
}

static const char *resource_of(const struct message *message)
{
    return first_of(field(message, "ResourceId"), field(message, "ResourceName"));
}

/* By what the whole topic says about it, else the message alone, which nothing will ever close. */
static const char *fallback_key(const struct message *message)
{
    const struct smn_envelope *envelope = message->envelope;
    const char *subject = message->subject_text.plain;
    const char *const by_subject[] = {"subject", envelope->topic_urn, subject, NULL};
    const char *const by_message[] = {"message", envelope->topic_urn, envelope->message_id,
                                      *envelope->message_id ? "" : message->text, NULL};
    return hashed_key(message->arena, *subject ? by_subject : by_message);
}

static const char *key_of(const struct message *message, enum state state)
{
    const char *no_data = state == STATE_NO_DATA ? "insufficient_data" : NULL;
    const char *dimension = first_of(top(message, "dimension"), resource_of(message));
    const char *const classic[] = {top(message, "alarm_id"),
                                   top(message, "namespace"),
                                   top(message, "metric_name"),
                                   dimension,
                                   no_data,
                                   NULL};
    const char *const template[] = {
        field(message, "AccountName"),
        first_of(field(message, "RegionId"), field(message, "Region")),
        field(message, "AlarmRuleName"),
        first_of(field(message, "MetricName"), field(message, "EventName")),
        resource_of(message),
        NULL};
    const char *const aom[] = {"metadata", nested(message, "metadata", "resource_provider"),
                               nested(message, "metadata", "event_name"),
                               nested(message, "metadata", "resource_id"), NULL};
    const struct ces_text *text = &message->body_text;
    const char *const sentence[] = {
        "text", text->rule, text->metric, text->resource_name, text->resource_id, NULL};
    switch (message->shape) {
    case SHAPE_CLASSIC:
        return hashed_key(message->arena, classic);
    case SHAPE_TEMPLATE:
    case SHAPE_FLAT:
        if (*template[2] || *template[3] || *template[4])
            return hashed_key(message->arena, template);
        break;
    case SHAPE_FOREIGN:
        if (*aom[2] || *aom[3])
            return hashed_key(message->arena, aom);
        break;
    case SHAPE_TEXT:
        if (*text->rule && *text->metric && *text->resource_name)
            return hashed_key(message->arena, sentence);
        break;
    }
    return fallback_key(message);
}

/* ---- time ---- */

/* AlarmRecordID of the older form starts with the alarm's time: "ah", 13 digits of milliseconds. */
static bool record_time(const char *id, int64_t *seconds)
{
    if (strncmp(id, "ah", 2) || strspn(id + 2, "0123456789") != 13)
        return false;
    *seconds = strtoll(id + 2, NULL, 10) / 1000;
    return true;
}

static bool time_of(const struct message *message, int64_t *seconds)
{
    const cJSON *time = json_get(message->top, "time");
    if (message->shape == SHAPE_CLASSIC && cJSON_IsNumber(time) && time->valuedouble >= 1e11 &&
        time->valuedouble < 1e15) {
        *seconds = (int64_t)(time->valuedouble / 1000);
        return true;
    }
    return ces_parse_time(field(message, "AlarmTime"), seconds) ||
           record_time(field(message, "AlarmRecordID"), seconds) ||
           clock_parse_rfc3339(message->envelope->timestamp, seconds);
}

/* ---- texts ---- */

static const char *threshold_of(const struct message *message)
{
    const char *value = field(message, "Value");
    if (*value || !*top(message, "value"))
        return value;
    return arena_printf(message->arena, "%s%s", top(message, "value"), top(message, "unit"));
}

static const char *operator_of(const struct message *message)
{
    return first_of(field(message, "ComparisonOperator"), top(message, "comparison_operator"));
}

static const char *metric_display_name(const struct message *message)
{
    return first_of(field(message, "MetricName"),
                    first_of(field(message, "EventName"), top(message, "metric_name")));
}

static const char *current_value(const struct message *message)
{
    const cJSON *points = json_get(message->top, "alarmValue");
    int count = cJSON_GetArraySize(points);
    const char *shown = field(message, "CurrentData");
    if (*shown || count == 0)
        return shown;
    const char *value =
        json_scalar(message->arena, json_get(cJSON_GetArrayItem(points, count - 1), "value"));
    return value ? arena_printf(message->arena, "%s%s", value, top(message, "unit")) : "";
}

static const char *rule_of(const struct message *message)
{
    const char *rule = first_of(field(message, "AlarmRuleName"), top(message, "alarm_name"));
    rule = first_of(rule, message->body_text.rule);
    return first_of(rule, nested(message, "policy", "alarm_rule_name"));
}

static const char *resource_name(const struct message *message)
{
    return first_of(field(message, "ResourceName"), message->body_text.resource_name);
}

/* The same for an alarm and its end: no state and no current value. */
static const char *title_of(const struct message *message)
{
    struct arena *arena = message->arena;
    const char *name = first_of(resource_name(message), resource_of(message));
    const char *resource = first_of(name, top(message, "dimension"));
    const char *metric = metric_display_name(message);
    if (*metric && *threshold_of(message) && !message->is_event)
        metric =
            arena_printf(arena, "%s %s %s", metric, operator_of(message), threshold_of(message));
    const char *what = first_of(metric, rule_of(message));
    const char *subject = message->subject_text.plain;
    const char *candidates[] = {
        *what && *resource ? arena_printf(arena, "%s: %s", resource, what) : what,
        subject,
        *message->body_text.resource_name && *message->body_text.metric
            ? arena_printf(arena, "%s: %s", message->body_text.resource_name,
                           message->body_text.metric)
            : "",
        arena_copy(arena, message->body_text.plain, strcspn(message->body_text.plain, "\r\n")),
        "Huawei Cloud message",
    };
    bool is_ces = message->shape != SHAPE_FOREIGN && message->shape != SHAPE_TEXT;
    for (size_t i = is_ces ? 0 : 1; i < sizeof candidates / sizeof *candidates; i++) {
        if (*text_trim(arena, candidates[i]))
            return candidates[i];
    }
    return "";
}

static const char *description_of(const struct message *message)
{
    if (message->shape == SHAPE_FOREIGN || message->shape == SHAPE_TEXT)
        return message->text;
    const char *text = first_of(top(message, "default_content"), top(message, "sms_content"));
    return first_of(text, message->envelope->subject);
}

static const char *lines_of(const struct message *message)
{
    struct text lines = {0};
    const char *threshold = threshold_of(message), *count = field(message, "Count");
    const char *filter = first_of(field(message, "Filter"), top(message, "filter"));
    const struct {
        const char *name, *value;
    } rows[] = {
        {"Description: ", field(message, "AlarmDesc")},
        {"Event: ", field(message, "EventContent")},
        {"Current data: ", current_value(message)},
        {"Alarm time: ", field(message, "AlarmTime")},
        {"Link: ", field(message, "Link")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = utf8_cut(message->arena, rows[i].value, 480);
        if (*value)
            text_printf(&lines, "%s%s\n", rows[i].name, value);
    }
    if (*threshold && *metric_display_name(message) && !message->is_event)
        text_printf(&lines, "Threshold: %.64s %.16s %.64s%s%.16s%s%.32s", filter,
                    operator_of(message), threshold, *count ? ", " : "", count,
                    *count && *field(message, "Period") ? " × " : "", field(message, "Period"));
    return text_into(&lines, message->arena);
}

/* ---- labels ---- */

/* A region's id: Region itself has it on some sites, and the console's link carries it. */
static const char *region_id(const struct message *message)
{
    const char *id = field(message, "RegionId"), *region = field(message, "Region");
    const char *link = strstr(field(message, "Link"), "region=");
    if (*id)
        return id;
    if (link) {
        link += strlen("region=");
        return arena_copy(message->arena, link, strcspn(link, "&#"));
    }
    bool is_id = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(region);
    return is_id && strchr(region, '-') ? region : "";
}

static bool is_chinese(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c >= 0xe4 && *c <= 0xe9)
            return true;
    }
    return false;
}

/* "name:value,name:value" or "key=value,key=value": a label each. */
static void add_pairs(struct alert *alert, struct arena *arena, const char *pairs, char separator,
                      const char *prefix)
{
    for (const char *pair = pairs; *pair; pair += *pair == ',') {
        size_t length = strcspn(pair, ",");
        const char *middle = memchr(pair, separator, length);
        if (middle) {
            size_t name = (size_t)(middle - pair);
            const char *key = text_trim(arena, arena_copy(arena, pair, name));
            alert_add_label(alert, arena, arena_printf(arena, "%s%s", prefix, key),
                            arena_copy(arena, middle + 1, length - name - 1));
        }
        pair += length;
    }
}

static const char *rfc3339_of(const struct message *message)
{
    int64_t seconds;
    char out[32];
    if (!time_of(message, &seconds))
        return "";
    clock_rfc3339(seconds, out);
    return arena_string(message->arena, out);
}

/* In the order of their worth: the last ones go where there are more than an alert may have. */
static void add_labels(struct alert *alert, const struct message *message)
{
    const struct smn_envelope *envelope = message->envelope;
    const bool is_foreign = message->shape == SHAPE_FOREIGN;
    const bool is_ces = !is_foreign && message->shape != SHAPE_TEXT;
    const char *name_space = first_of(top(message, "namespace"), field(message, "Namespace"));
    const struct {
        const char *name, *value;
    } labels[] = {
        {"alarm_name", rule_of(message)},
        {"alarm_id", first_of(top(message, "alarm_id"), field(message, "AlarmId"))},
        {"alarm_record_id", field(message, "AlarmRecordID")},
        {"resource_name", resource_name(message)},
        {"resource_id", first_of(field(message, "ResourceId"),
                                 first_of(message->body_text.resource_id,
                                          nested(message, "metadata", "resource_id")))},
        {"namespace", first_of(name_space, nested(message, "metadata", "namespace"))},
        {"namespace_name", field(message, "Namespace")},
        {"metric_name", first_of(top(message, "metric_name"), first_of(field(message, "MetricName"),
                                                                       message->body_text.metric))},
        {"metric_display_name", field(message, "MetricName")},
        {"dimension_name", field(message, "DimensionName")},
        {"region_id", region_id(message)},
        {"region", field(message, "Region")},
        {"account_name", field(message, "AccountName")},
        {"enterprise_project", field(message, "EpName")},
        {"private_ip", field(message, "PrivateIp")},
        {"private_ipv6", field(message, "PrivateIPV6")},
        {"public_ip", field(message, "PublicIp")},
        {"current_value", current_value(message)},
        {"threshold", is_ces ? threshold_of(message) : ""},
        {"comparison_operator", operator_of(message)},
        {"unit", first_of(field(message, "Unit"), top(message, "unit"))},
        {"filter", first_of(field(message, "Filter"), top(message, "filter"))},
        {"period", first_of(field(message, "Period"), top(message, "period"))},
        {"count", first_of(field(message, "Count"), top(message, "count"))},
        {"event_name",
         first_of(field(message, "EventName"), nested(message, "metadata", "event_name"))},
        {"event_source",
         first_of(field(message, "EventSource"), nested(message, "metadata", "resource_provider"))},
        {"alarm_type", !is_ces             ? ""
                       : message->is_event ? "event"
                                           : "metric"},
        {"monitoring_range", field(message, "MonitoringRange")},
        {"alarm_time", rfc3339_of(message)},
        {"alarm_url", field(message, "Link")},
        {"last_alarm_level", field(message, "LastAlarmLevel")},
        {"topic_urn", envelope->topic_urn},
        {"topic_name", smn_topic_name(envelope->topic_urn)},
        {"message_id", envelope->message_id},
        {"language", is_chinese(envelope->subject) || is_chinese(level_of(message)) ? "zh" : "en"},
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        alert_add_label(alert, message->arena, labels[i].name, labels[i].value);
    if (message->shape == SHAPE_CLASSIC)
        add_pairs(alert, message->arena, top(message, "dimension"), ':', "dimension_");
    add_pairs(alert, message->arena, field(message, "ResourceTags"), '=', "tag_");
}

/* ---- the vendor ---- */

static void map(const struct smn_envelope *envelope, const cJSON *root, const char *text,
                struct arena *arena, struct alert *alert)
{
    struct message message = {.arena = arena, .envelope = envelope, .text = text};
    message.shape = shape_of(root);
    message.top = cJSON_IsObject(root) ? root : NULL;
    message.fields = fields_of(message.shape, root);
    message.is_event = message.fields && is_event(&message);
    const char *sentence = text;
    if (message.shape == SHAPE_CLASSIC)
        sentence = first_of(top(&message, "default_content"), top(&message, "sms_content"));
    else if (message.shape != SHAPE_TEXT)
        sentence = "";
    ces_text_parse(arena, envelope->subject, &message.subject_text);
    ces_text_parse(arena, sentence, &message.body_text);

    enum state state = state_of(&message);
    alert_add_label(alert, arena, "source", "huawei_ces");
    if (message.shape == SHAPE_FOREIGN || message.shape == SHAPE_TEXT)
        alert_add_label(alert, arena, "unmapped", message.shape == SHAPE_TEXT ? "text" : "json");
    set_severity(alert, &message, state);
    alert->key = key_of(&message, state);
    alert_set_title(alert, arena, title_of(&message));
    alert_set_description(alert, arena, description_of(&message), lines_of(&message));
    add_labels(alert, &message);
}

static void parse_notification(const struct smn_envelope *envelope, struct arena *arena,
                               struct alert *alert)
{
    struct json inner = {0};
    bool is_string = cJSON_IsString(envelope->message);
    const char *text =
        is_string ? envelope->message->valuestring : json_compact(arena, envelope->message);
    const cJSON *root = envelope->message;
    if (is_string)
        root = parse_inner(arena, text, &inner) ? inner.root : NULL;
    map(envelope, root, text, arena, alert);
    json_clear(&inner);
}

static bool authenticate(const struct vendor_input *input, const struct json *json,
                         struct arena *arena, struct error *error)
{
    struct smn_envelope envelope;
    (void)arena;
    return smn_read(json, input->message_type, &envelope, error) &&
           smn_authenticate(input, json, &envelope, error);
}

static bool parse(const struct vendor_input *input, const struct json *json, struct arena *arena,
                  struct receipt *receipt, struct error *error)
{
    struct smn_envelope envelope;
    if (!smn_read(json, input->message_type, &envelope, error))
        return false;
    struct item *item = arena_alloc(arena, sizeof *item);
    if (!item)
        return error_out_of_memory(error);
    *receipt = (struct receipt){.items = item, .count = 1};
    receipt->message_id = arena_string(arena, envelope.message_id);
    switch (envelope.type) {
    case SMN_NOTIFICATION:
        item->kind = ITEM_ALERT;
        parse_notification(&envelope, arena, &item->alert);
        break;
    case SMN_SUBSCRIPTION_CONFIRMATION:
        item->kind = ITEM_CONFIRM;
        item->confirm_url = arena_string(arena, envelope.subscribe_url);
        if (!smn_confirm_url(input->smn, &envelope, arena, &item->confirm_host, error))
            return false;
        item->confirm_private =
            input->smn->private_network && smn_host_is_configured(input->smn, item->confirm_host);
        break;
    case SMN_UNSUBSCRIBE_CONFIRMATION:
        item->kind = ITEM_IGNORED;
        item->warn = true;
        item->reason = arena_printf(arena,
                                    "the subscription of %s was removed: no alarm of it will "
                                    "come any more",
                                    envelope.topic_urn);
        break;
    case SMN_USER_CHANGE:
        item->kind = ITEM_IGNORED;
        item->reason = arena_printf(arena, "%s: nothing to do", envelope.type_name);
        break;
    }
    return arena->failed ? error_out_of_memory(error) : true;
}

const struct vendor vendor_ces = {
    .name = "ces",
    .title = "Huawei Cloud CES",
    .endpoint = "ces.fcgi",
    .sender = "Huawei Cloud's SMN",
    .levels = levels,
    .type_header = "HTTP_X_SMN_MESSAGE_TYPE",
    .has_topics = true,
    .recognises = smn_recognises,
    .authenticate = authenticate,
    .parse = parse,
};
