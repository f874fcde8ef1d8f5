#include "vendors/ces_content.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* How much of a value a line of the description shows, in characters: all of them together fit
 * beside the text, and a link that is cut leads nowhere. */
#define LINE_TEXT_MAX 400
#define LINE_WORD_MAX 80
#define LINE_LINK_MAX 600

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* ---- what several places may tell ---- */

static const char *threshold(const struct ces_message *message)
{
    const char *value = ces_field(message, "Value");
    if (*value || !*ces_top(message, "value") || !ces_is_alarm(message))
        return value;
    return arena_printf(message->arena, "%s%s", ces_top(message, "value"),
                        ces_top(message, "unit"));
}

static const char *comparison(const struct ces_message *message)
{
    return ces_either(ces_field(message, "ComparisonOperator"),
                      ces_top(message, "comparison_operator"));
}

static const char *filter(const struct ces_message *message)
{
    return ces_either(ces_field(message, "Filter"), ces_top(message, "filter"));
}

static const char *metric_display_name(const struct ces_message *message)
{
    const char *name =
        ces_either(ces_field(message, "MetricName"), ces_field(message, "EventName"));
    return ces_either(name, ces_top(message, "metric_name"));
}

static const char *current_value(const struct ces_message *message)
{
    const cJSON *points = json_get(message->top, "alarmValue");
    int count = cJSON_GetArraySize(points);
    const char *shown = ces_field(message, "CurrentData");
    if (*shown || count == 0)
        return shown;
    const char *value =
        json_scalar(message->arena, json_get(cJSON_GetArrayItem(points, count - 1), "value"));
    return value ? arena_printf(message->arena, "%s%s", value, ces_top(message, "unit")) : "";
}

static const char *resource_name(const struct ces_message *message)
{
    return ces_either(ces_field(message, "ResourceName"), message->body_text.resource_name);
}

/* The values of the dimension, as CES itself writes a resource's id. */
static const char *dimension_values(const struct ces_message *message)
{
    struct text values = {0};
    struct ces_pair pair;
    const char *list = message->shape == CES_CLASSIC ? ces_top(message, "dimension") : "";
    while (ces_next_pair(message->arena, &list, ':', &pair))
        text_printf(&values, "%s%s", values.length ? "," : "", pair.value);
    return text_into(&values, message->arena);
}

static const char *resource_id(const struct ces_message *message)
{
    const char *id = ces_either(ces_field(message, "ResourceId"), message->body_text.resource_id);
    id = ces_either(id, dimension_values(message));
    return ces_either(id, ces_nested(message, "metadata", "resource_id"));
}

static const char *link_of(const struct ces_message *message)
{
    return ces_either(ces_field(message, "Link"), ces_field(message, "AlarmUrl"));
}

/* ---- title ---- */

/* RESOURCE: METRIC OPERATOR THRESHOLD, as far as it is known. */
static const char *title_of_alarm(const struct ces_message *message)
{
    struct arena *arena = message->arena;
    const char *resource = ces_either(resource_name(message), resource_id(message));
    const char *metric = metric_display_name(message);
    if (*metric && *threshold(message) && !message->is_event)
        metric = arena_printf(arena, "%s %s %s", metric, comparison(message), threshold(message));
    const char *what = ces_either(metric, ces_rule(message));
    return *what && *resource ? arena_printf(arena, "%s: %s", resource, what) : what;
}

/* What a text's own sentence names; of an alarm that has no better title, its resource. */
static const char *title_of_names(const struct ces_message *message)
{
    const struct ces_text *text = &message->body_text;
    if (ces_is_alarm(message))
        return ces_either(resource_name(message), resource_id(message));
    return *text->resource_name && *text->metric
               ? arena_printf(message->arena, "%s: %s", text->resource_name, text->metric)
               : "";
}

static const char *first_line(const struct ces_message *message)
{
    if (message->shape == CES_FOREIGN)
        return json_compact(message->arena, message->top);
    const char *text = ces_either(message->body_text.plain, message->text);
    return arena_copy(message->arena, text, strcspn(text, "\r\n"));
}

void ces_set_title(struct alert *alert, const struct ces_message *message)
{
    const char *candidates[] = {
        ces_is_alarm(message) ? title_of_alarm(message) : "",
        message->subject_text.plain,
        title_of_names(message),
        first_line(message),
        "Huawei Cloud message",
    };
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates && !alert->title; i++)
        alert_set_title(alert, message->arena, candidates[i]);
}

/* ---- description ---- */

/* "Avg. >= 80%, 3 × 5 minutes" */
static const char *condition(const struct ces_message *message)
{
    const char *words[] = {filter(message), comparison(message), threshold(message)};
    const char *count = ces_field(message, "Count"), *period = ces_field(message, "Period");
    struct text out = {0};
    if (!*threshold(message) || !*metric_display_name(message) || message->is_event)
        return "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (*words[i])
            text_printf(&out, "%s%s", out.length ? " " : "",
                        utf8_cut(message->arena, words[i], LINE_WORD_MAX));
    }
    if (*count)
        text_printf(&out, ", %s%s%s", utf8_cut(message->arena, count, LINE_WORD_MAX),
                    *period ? " × " : "", utf8_cut(message->arena, period, LINE_WORD_MAX));
    return text_into(&out, message->arena);
}

static const char *lines_of(const struct ces_message *message)
{
    struct text lines = {0};
    const struct {
        const char *name, *value;
        size_t limit;
    } rows[] = {
        {"Description: ", ces_field(message, "AlarmDesc"), LINE_TEXT_MAX},
        {"Current data: ", current_value(message), LINE_WORD_MAX},
        {"Threshold: ", condition(message), LINE_TEXT_MAX},
        {"Alarm time: ", ces_field(message, "AlarmTime"), LINE_WORD_MAX},
        {"Link: ", link_of(message), LINE_LINK_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = utf8_cut(message->arena, rows[i].value, rows[i].limit);
        if (*value)
            text_printf(&lines, "%s%s\n", rows[i].name, value);
    }
    return text_into(&lines, message->arena);
}

void ces_set_description(struct alert *alert, const struct ces_message *message)
{
    const char *text = message->text;
    if (ces_is_alarm(message))
        text = ces_either(ces_top(message, "default_content"), ces_top(message, "sms_content"));
    text = ces_either(text, message->envelope->subject);
    const char *content = ces_field(message, "EventContent");
    if (*content)
        text = arena_printf(message->arena, "%s\n\nEvent: %s", text, content);
    alert_set_description(alert, message->arena, text, lines_of(message));
    if (!*alert->description)
        alert_set_description(alert, message->arena, message->text, "");
}

/* ---- labels ---- */

static bool is_region_id(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text) &&
           strchr(text, '-');
}

/* Region itself is an id on some sites, and the console's link carries it. Not the topic's: alarms
 * of all regions come over topics of one. */
static const char *region_id(const struct ces_message *message)
{
    static const char parameter[] = "region=";
    const char *id = ces_field(message, "RegionId"), *region = ces_field(message, "Region");
    const char *link = strstr(link_of(message), parameter);
    if (*id)
        return id;
    if (link) {
        link += strlen(parameter);
        link = arena_copy(message->arena, link, strcspn(link, "&#"));
    }
    if (link && is_region_id(link))
        return link;
    return is_region_id(region) ? region : "";
}

static bool is_chinese(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c >= 0xe4 && *c <= 0xe9)
            return true;
    }
    return false;
}

/* The policy's language, in which its words are: names may be in any. */
static const char *language(const struct ces_message *message)
{
    const char *level = ces_level(message);
    bool is_word = *level && (*level < '0' || *level > '9');
    const char *text = ces_either(message->envelope->subject, message->text);
    return is_chinese(is_word ? level : text) ? "zh" : "en";
}

static const char *time_of(const struct ces_message *message)
{
    int64_t seconds;
    char out[32];
    if (!ces_time(message, &seconds))
        return "";
    clock_rfc3339(seconds, out);
    return arena_string(message->arena, out);
}

/* Adds PREFIX_NAME, with a number if that name is taken. A name without any ASCII letter or digit
 * becomes 8 hex digits, so that two of them stay apart. */
static void add_pair(struct alert *alert, struct arena *arena, const char *prefix,
                     const struct ces_pair *pair)
{
    bool has_word = pair->name[strcspn(pair->name, LETTERS_AND_DIGITS)];
    const char *name = has_word ? pair->name : alert_label_name(arena, pair->name);
    /* Out of memory it is empty. */
    if (!has_word && *name)
        name += strlen("tag_");
    name = alert_label_name(arena, arena_printf(arena, "%s%s", prefix, name));
    const char *free_name = name;
    /* And then every name is the same. */
    for (int i = 2; alert_label(alert, free_name) && !arena->failed; i++)
        free_name = arena_printf(arena, "%.*s_%d", ALERT_LABEL_NAME_MAX - 4, name, i);
    alert_add_label(alert, arena, free_name, pair->value);
}

static void add_pairs(struct alert *alert, struct arena *arena, const char *list, char separator,
                      const char *prefix)
{
    struct ces_pair pair;
    while (alert->label_count < ALERT_LABELS_MAX && ces_next_pair(arena, &list, separator, &pair)) {
        if (*pair.name)
            add_pair(alert, arena, prefix, &pair);
    }
}

void ces_add_labels(struct alert *alert, const struct ces_message *message,
                    const char *unmapped_level)
{
    const struct smn_envelope *envelope = message->envelope;
    const char *code = ces_either(ces_top(message, "namespace"), ces_field(message, "Namespace"));
    const char *metric =
        ces_either(ces_top(message, "metric_name"), ces_field(message, "MetricName"));
    const struct {
        const char *name, *value;
    } labels[] = {
        {"source", "huawei_ces"},
        {"unmapped", message->shape == CES_PLAIN_TEXT ? "text"
                     : message->shape == CES_FOREIGN  ? "json"
                                                      : ""},
        {"severity_unmapped", unmapped_level},
        {"alarm_name", ces_rule(message)},
        {"alarm_id", ces_either(ces_top(message, "alarm_id"), ces_field(message, "AlarmId"))},
        {"alarm_record_id", ces_field(message, "AlarmRecordID")},
        {"alarm_level", ces_level(message)},
        {"resource_name", resource_name(message)},
        {"resource_id", resource_id(message)},
        {"namespace", ces_either(code, ces_nested(message, "metadata", "namespace"))},
        {"namespace_name", ces_field(message, "Namespace")},
        {"metric_name", ces_either(metric, message->body_text.metric)},
        {"metric_display_name", ces_field(message, "MetricName")},
        {"dimension_name", ces_field(message, "DimensionName")},
        {"region_id", region_id(message)},
        {"region", ces_field(message, "Region")},
        {"account_name", ces_field(message, "AccountName")},
        {"enterprise_project", ces_field(message, "EpName")},
        {"private_ip", ces_field(message, "PrivateIp")},
        {"private_ipv6", ces_field(message, "PrivateIPV6")},
        {"public_ip", ces_field(message, "PublicIp")},
        {"current_value", current_value(message)},
        {"threshold", threshold(message)},
        {"comparison_operator", comparison(message)},
        {"unit", ces_either(ces_field(message, "Unit"), ces_top(message, "unit"))},
        {"filter", filter(message)},
        {"period", ces_either(ces_field(message, "Period"), ces_top(message, "period"))},
        {"count", ces_either(ces_field(message, "Count"), ces_top(message, "count"))},
        {"event_name", ces_either(ces_field(message, "EventName"),
                                  ces_nested(message, "metadata", "event_name"))},
        {"event_source", ces_either(ces_field(message, "EventSource"),
                                    ces_nested(message, "metadata", "resource_provider"))},
        {"alarm_type", !ces_is_alarm(message) ? ""
                       : message->is_event    ? "event"
                                              : "metric"},
        {"monitoring_range", ces_field(message, "MonitoringRange")},
        {"alarm_time", time_of(message)},
        {"alarm_url", link_of(message)},
        {"last_alarm_level", ces_field(message, "LastAlarmLevel")},
        {"topic_urn", envelope->topic_urn},
        {"topic_name", smn_topic_name(envelope->topic_urn)},
        {"message_id", envelope->message_id},
        {"language", language(message)},
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        alert_add_label(alert, message->arena, labels[i].name, labels[i].value);
    if (message->shape == CES_CLASSIC)
        add_pairs(alert, message->arena, ces_top(message, "dimension"), ':', "dimension_");
    add_pairs(alert, message->arena, ces_field(message, "ResourceTags"), '=', "tag_");
}
