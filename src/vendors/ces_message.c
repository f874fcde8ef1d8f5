#include "vendors/ces_message.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* Milliseconds since 1970: no earlier than 1973, no later than 9999. */
#define MILLISECONDS_MIN 1e11
#define MILLISECONDS_MAX 253402300800000.0

/* AlarmRecordID: "ah" and, in its older form, so many digits of milliseconds. */
#define RECORD_DIGITS 13

/* ---- readers ---- */

static const char *scalar(const struct ces_message *message, const cJSON *item)
{
    const char *value = json_scalar(message->arena, item);
    return value ? value : "";
}

const char *ces_field(const struct ces_message *message, const char *name)
{
    return scalar(message, json_get_ignoring_case(message->fields, name));
}

const char *ces_top(const struct ces_message *message, const char *name)
{
    return scalar(message, json_get(message->top, name));
}

const char *ces_nested(const struct ces_message *message, const char *object, const char *name)
{
    return scalar(message, json_get(json_get(message->top, object), name));
}

const char *ces_either(const char *a, const char *b)
{
    return *a ? a : b;
}

bool ces_is_alarm(const struct ces_message *message)
{
    return message->shape != CES_FOREIGN && message->shape != CES_PLAIN_TEXT;
}

const char *ces_level(const struct ces_message *message)
{
    const char *candidates[] = {
        ces_field(message, "AlarmLevel"), ces_top(message, "alarm_level"),
        ces_top(message, "level"),        message->subject_text.level,
        message->body_text.level,         ces_nested(message, "metadata", "event_severity"),
    };
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const char *word = text_trim(message->arena, candidates[i]);
        if (*word)
            return word;
    }
    return "";
}

const char *ces_rule(const struct ces_message *message)
{
    const char *rule =
        ces_either(ces_field(message, "AlarmRuleName"), ces_top(message, "alarm_name"));
    rule = ces_either(rule, message->body_text.rule);
    return ces_either(rule, ces_nested(message, "policy", "alarm_rule_name"));
}

const char *ces_resource(const struct ces_message *message)
{
    return ces_either(ces_field(message, "ResourceId"), ces_field(message, "ResourceName"));
}

/* ---- times ---- */

static bool record_time(const char *id, int64_t *seconds)
{
    if (strncmp(id, "ah", 2) || strspn(id + 2, "0123456789") != RECORD_DIGITS)
        return false;
    *seconds = strtoll(id + 2, NULL, 10) / 1000;
    return true;
}

static bool classic_time(const struct ces_message *message, int64_t *seconds)
{
    double time = message->shape == CES_CLASSIC ? strtod(ces_top(message, "time"), NULL) : 0;
    if (!(time >= MILLISECONDS_MIN && time < MILLISECONDS_MAX))
        return false;
    *seconds = (int64_t)(time / 1000);
    return true;
}

bool ces_time(const struct ces_message *message, int64_t *seconds)
{
    return classic_time(message, seconds) ||
           ces_parse_time(ces_field(message, "AlarmTime"), seconds) ||
           record_time(ces_field(message, "AlarmRecordID"), seconds) ||
           clock_parse_rfc3339(message->envelope->timestamp, seconds);
}

int64_t ces_event_time(const struct ces_message *message)
{
    int64_t seconds;
    bool is_known = classic_time(message, &seconds) ||
                    clock_parse_rfc3339(message->envelope->timestamp, &seconds);
    return is_known && seconds > 0 ? seconds : 0;
}

/* ---- lists ---- */

/* The length of a list's first pair. */
static size_t pair_length(const char *list, char separator)
{
    size_t length = strcspn(list, ",");
    while (list[length]) {
        const char *next = list + length + 1;
        size_t more = strcspn(next, ",");
        bool is_value_empty = length > 0 && list[length - 1] == separator;
        if (more == 0 || is_value_empty || memchr(next, separator, more))
            break;
        length += 1 + more;
    }
    return length;
}

bool ces_next_pair(struct arena *arena, const char **list, char separator, struct ces_pair *pair)
{
    while (**list) {
        const char *start = *list;
        size_t length = pair_length(start, separator);
        const char *middle = memchr(start, separator, length);
        *list += length;
        *list += **list == ',';
        if (!middle)
            continue;
        size_t name = (size_t)(middle - start);
        pair->name = text_trim(arena, arena_copy(arena, start, name));
        pair->value = text_trim(arena, arena_copy(arena, middle + 1, length - name - 1));
        return true;
    }
    return false;
}

/* ---- recognising ---- */

/* How many of the names that every template has stand here. */
static int known_fields(const cJSON *object)
{
    static const char *const names[] = {"AlarmRuleName", "AlarmLevel", "IsAlarm", "MetricName",
                                        "ResourceName"};
    int found = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found += json_get_ignoring_case(object, names[i]) != NULL;
    return found;
}

static enum ces_shape shape_of(const cJSON *root)
{
    if (!cJSON_IsObject(root))
        return CES_PLAIN_TEXT;
    if (json_get(root, "alarm_id") || json_get(root, "alarm_status"))
        return CES_CLASSIC;
    const cJSON *data = json_get(root, "data");
    if ((cJSON_IsObject(data) && json_get(root, "version")) || known_fields(data) >= 2)
        return CES_TEMPLATE;
    return known_fields(root) >= 2 ? CES_FLAT : CES_FOREIGN;
}

static const cJSON *fields_of(enum ces_shape shape, const cJSON *root)
{
    const cJSON *within = json_get(root, "template_variable");
    switch (shape) {
    case CES_CLASSIC:
        /* A user's own template may name a member alarm_id, too. */
        return !cJSON_IsObject(within) && known_fields(root) >= 2 ? root : within;
    case CES_TEMPLATE:
        return json_get(root, "data");
    case CES_FLAT:
        return root;
    case CES_FOREIGN:
    case CES_PLAIN_TEXT:
        break;
    }
    return NULL;
}

static bool is_one_of(const struct ces_message *message, const char *name,
                      const char *const words[])
{
    const char *value = text_trim(message->arena, ces_field(message, name));
    for (; *words; words++) {
        if (text_equal_ignoring_case(value, *words))
            return true;
    }
    return false;
}

static bool is_event(const struct ces_message *message)
{
    static const char *const events[] = {"事件", "event", NULL};
    static const char *const metrics[] = {"指标", "metric", NULL};
    if (is_one_of(message, "AlarmNotificationType", events))
        return true;
    if (is_one_of(message, "AlarmNotificationType", metrics))
        return false;
    return *ces_field(message, "EventName") || *ces_field(message, "EventContent");
}

/* Parses the JSON that the string holds, once more if that is a string again. `text` is what the
 * string says in the end. */
static const cJSON *read_string(struct arena *arena, const char *string, struct json *inner,
                                const char **text)
{
    *text = string;
    if (json_parse_within(string, inner, arena) && cJSON_IsString(inner->root)) {
        *text = arena_string(arena, inner->root->valuestring);
        json_clear(inner);
        return json_parse_within(*text, inner, arena) ? inner->root : NULL;
    }
    return inner->root;
}

/* The sentence for people that a message holds. */
static const char *sentence_of(const struct ces_message *message)
{
    if (message->shape == CES_PLAIN_TEXT)
        return message->text;
    if (message->shape != CES_CLASSIC)
        return "";
    return ces_either(ces_top(message, "default_content"), ces_top(message, "sms_content"));
}

void ces_message_read(struct arena *arena, const struct smn_envelope *envelope, struct json *inner,
                      struct ces_message *message)
{
    const cJSON *root = envelope->message;
    *message = (struct ces_message){.arena = arena, .envelope = envelope};
    if (cJSON_IsString(root))
        root = read_string(arena, root->valuestring, inner, &message->text);
    else
        message->text = json_compact(arena, root);
    message->shape = shape_of(root);
    message->top = cJSON_IsObject(root) ? root : NULL;
    message->fields = fields_of(message->shape, root);
    message->is_event = message->fields && is_event(message);
    ces_text_parse(arena, envelope->subject, &message->subject_text);
    ces_text_parse(arena, sentence_of(message), &message->body_text);
}
