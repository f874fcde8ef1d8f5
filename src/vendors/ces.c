/*
 * Huawei Cloud CES: alarms in SMN notifications. Two bodies exist side by side, the classic one
 * and the one made by a content template, whose text users may edit; other services and people
 * publish to the same topics. All of them become an alert.
 */
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/text.h"
#include "vendors/ces_content.h"
#include "vendors/ces_message.h"
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

/* ---- state and severity ---- */

static bool is_word_of(const char *word, const char *const *words)
{
    for (; *words; words++) {
        if (text_equal_ignoring_case(word, *words))
            return true;
    }
    return false;
}

enum flag { FLAG_MISSING, FLAG_FALSE, FLAG_TRUE, FLAG_UNCLEAR };

static enum flag is_alarm_field(const struct ces_message *message)
{
    static const char *const yes[] = {"true", "1", NULL}, *const no[] = {"false", "0", NULL};
    const cJSON *item = json_get_ignoring_case(message->fields, "IsAlarm");
    const char *value = text_trim(message->arena, ces_field(message, "IsAlarm"));
    if (is_word_of(value, yes))
        return FLAG_TRUE;
    if (is_word_of(value, no))
        return FLAG_FALSE;
    return *value || cJSON_IsArray(item) || cJSON_IsObject(item) ? FLAG_UNCLEAR : FLAG_MISSING;
}

enum state { STATE_ALARM, STATE_OVER, STATE_NO_DATA };

static const char *metric_or_event(const struct ces_message *message)
{
    return ces_either(ces_field(message, "MetricName"), ces_field(message, "EventName"));
}

/* Whether the template's fields say whose alarm it is. */
static bool has_names(const struct ces_message *message)
{
    return *ces_field(message, "AlarmRuleName") || *metric_or_event(message) ||
           *ces_resource(message);
}

/* A template leaves unset fields out, so a metric's message without IsAlarm is a recovery unless
 * its subject says otherwise. An event never recovers. Elsewhere the flag's absence says nothing,
 * and what is not said to be over, stands. */
static enum state flagged_state(const struct ces_message *message)
{
    enum ces_state said =
        message->subject_text.state ? message->subject_text.state : message->body_text.state;
    enum flag flag = is_alarm_field(message);
    if (message->is_event || flag == FLAG_TRUE)
        return STATE_ALARM;
    if (flag == FLAG_FALSE)
        return STATE_OVER;
    if (said != CES_STATE_UNKNOWN)
        return said == CES_STATE_OK ? STATE_OVER : STATE_ALARM;
    bool is_unset = message->shape == CES_TEMPLATE && flag == FLAG_MISSING && has_names(message);
    return is_unset ? STATE_OVER : STATE_ALARM;
}

static enum state classic_state(const struct ces_message *message)
{
    static const char *const over[] = {"ok", "ok_manual", "invalid", NULL};
    const char *status = text_trim(message->arena, ces_top(message, "alarm_status"));
    if (!*status)
        return flagged_state(message);
    if (text_equal_ignoring_case(status, "insufficient_data"))
        return STATE_NO_DATA;
    return is_word_of(status, over) ? STATE_OVER : STATE_ALARM;
}

static enum state text_state(const struct ces_message *message)
{
    enum ces_state said =
        message->body_text.state ? message->body_text.state : message->subject_text.state;
    return said == CES_STATE_OK ? STATE_OVER : STATE_ALARM;
}

static enum state state_of(const struct ces_message *message)
{
    switch (message->shape) {
    case CES_CLASSIC:
        return classic_state(message);
    case CES_TEMPLATE:
    case CES_FLAT:
        return flagged_state(message);
    case CES_FOREIGN:
        /* AOM: the time at which the alarm was cleared, 0 while it stands. */
        return json_get(message->top, "metadata") && strtod(ces_top(message, "ends_at"), NULL) > 0
                   ? STATE_OVER
                   : STATE_ALARM;
    case CES_PLAIN_TEXT:
        break;
    }
    return text_state(message);
}

/* Sets severity and level. Returns the word for a level that no table knows, or "". */
static const char *set_severity(struct alert *alert, const struct ces_message *message,
                                enum state state)
{
    const char *word = ces_level(message);
    const struct level *level =
        vendor_level(&vendor_ces, *word || !ces_is_alarm(message) ? word : DEFAULT_ROW);
    if (state != STATE_ALARM) {
        alert->severity = state == STATE_OVER ? SEVERITY_OK : SEVERITY_INFO;
        return "";
    }
    alert->severity = level ? level->severity : SEVERITY_WARNING;
    if (level || *word)
        alert->level = level ? level->row : arena_string(message->arena, word);
    return level ? "" : word;
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

/* By what the whole topic says about it, else the message alone, which nothing will ever close.
 * NULL: a recovery that identifies no alert. */
static const char *fallback_key(const struct ces_message *message, enum state state)
{
    const struct smn_envelope *envelope = message->envelope;
    const char *subject = message->subject_text.plain;
    const char *const by_subject[] = {"subject", envelope->topic_urn, subject, NULL};
    const char *const by_message[] = {"message", envelope->topic_urn, envelope->message_id,
                                      *envelope->message_id ? "" : message->text, NULL};
    if (*subject)
        return hashed_key(message->arena, by_subject);
    return state == STATE_OVER ? NULL : hashed_key(message->arena, by_message);
}

/* Codes where there are some, names where a code is missing. That data is missing is an alert of
 * its own: it neither lowers nor closes the one that stands. */
static const char *classic_key(const struct ces_message *message, enum state state)
{
    const char *rule = ces_either(ces_top(message, "alarm_id"), ces_field(message, "AlarmId"));
    const char *const elements[] = {
        ces_either(rule, ces_rule(message)),
        ces_top(message, "namespace"),
        ces_either(ces_top(message, "metric_name"), metric_or_event(message)),
        ces_either(ces_top(message, "dimension"), ces_resource(message)),
        state == STATE_NO_DATA ? "insufficient_data" : NULL,
        NULL,
    };
    bool is_nameless = !*elements[0] && !*elements[2] && !*elements[3];
    return is_nameless ? fallback_key(message, state) : hashed_key(message->arena, elements);
}

static const char *template_key(const struct ces_message *message, enum state state)
{
    const char *const elements[] = {
        ces_field(message, "AccountName"),
        ces_either(ces_field(message, "RegionId"), ces_field(message, "Region")),
        ces_field(message, "AlarmRuleName"),
        metric_or_event(message),
        ces_resource(message),
        NULL,
    };
    return has_names(message) ? hashed_key(message->arena, elements) : fallback_key(message, state);
}

/* AOM's. */
static const char *foreign_key(const struct ces_message *message, enum state state)
{
    const char *const elements[] = {
        "metadata",
        ces_nested(message, "metadata", "resource_provider"),
        ces_nested(message, "metadata", "event_name"),
        ces_nested(message, "metadata", "resource_id"),
        NULL,
    };
    bool is_nameless = !*elements[2] && !*elements[3];
    return is_nameless ? fallback_key(message, state) : hashed_key(message->arena, elements);
}

static const char *text_key(const struct ces_message *message, enum state state)
{
    const struct ces_text *text = &message->body_text;
    const char *const elements[] = {
        "text", text->rule, text->metric, text->resource_name, text->resource_id, NULL};
    bool is_sentence = *text->rule && *text->metric && *text->resource_name;
    return is_sentence ? hashed_key(message->arena, elements) : fallback_key(message, state);
}

/* Never level, threshold, values, times or topic, nor what a policy's language changes where there
 * is a code. NULL: a recovery that identifies no alert. */
static const char *key_of(const struct ces_message *message, enum state state)
{
    switch (message->shape) {
    case CES_CLASSIC:
        return classic_key(message, state);
    case CES_TEMPLATE:
    case CES_FLAT:
        return template_key(message, state);
    case CES_FOREIGN:
        return foreign_key(message, state);
    case CES_PLAIN_TEXT:
        break;
    }
    return text_key(message, state);
}

/* ---- the vendor ---- */

/* A newer template is read as the one that is known, which may go wrong: then this says why. */
static const char *note_of(const struct ces_message *message)
{
    const char *version = ces_top(message, "version");
    bool is_known = !json_get(message->top, "version") || text_equal_ignoring_case(version, "v1");
    if (message->shape != CES_TEMPLATE || is_known)
        return NULL;
    return arena_printf(message->arena, "content template of version \"%.32s\", read as v1",
                        version);
}

static void parse_notification(const struct smn_envelope *envelope, struct arena *arena,
                               struct item *item)
{
    struct json inner = {0};
    struct ces_message message;
    struct alert *alert = &item->alert;
    ces_message_read(arena, envelope, &inner, &message);
    enum state state = state_of(&message);
    const char *unmapped_level = set_severity(alert, &message, state);
    alert->key = key_of(&message, state);
    alert->time_s = ces_event_time(&message);
    item->note = note_of(&message);
    item->kind = alert->key ? ITEM_ALERT : ITEM_IGNORED;
    item->reason = alert->key ? NULL : "a recovery that does not say of which alert";
    ces_set_title(alert, &message);
    ces_set_description(alert, &message);
    ces_add_labels(alert, &message, unmapped_level);
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
    item->message_id = arena_string(arena, envelope.message_id);
    receipt->message_id = item->message_id;
    switch (envelope.type) {
    case SMN_NOTIFICATION:
        parse_notification(&envelope, arena, item);
        break;
    case SMN_SUBSCRIPTION_CONFIRMATION:
        item->kind = ITEM_CONFIRM;
        item->confirm_url = arena_string(arena, envelope.subscribe_url);
        item->confirm_topic = arena_string(arena, envelope.topic_urn);
        if (!smn_confirm_url(input->smn, &envelope, arena, &item->confirm_host, error))
            return false;
        item->confirm_private =
            input->smn->private_network && smn_host_is_configured(input->smn, item->confirm_host);
        break;
    case SMN_UNSUBSCRIBE_CONFIRMATION:
        item->kind = ITEM_IGNORED;
        item->warn = true;
        item->removed_topic = arena_string(arena, envelope.topic_urn);
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
