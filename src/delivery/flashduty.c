#include "delivery/flashduty.h"

#include <string.h>

#include "base/json.h"

/* Codes that say more than their status does. */
static const struct {
    const char *code;
    enum verdict verdict;
} codes[] = {
    {"InvalidParameter", VERDICT_REJECTED},  {"InvalidContentType", VERDICT_REJECTED},
    {"MethodNotAllowed", VERDICT_REJECTED},  {"ResourceNotFound", VERDICT_REJECTED},
    {"NoLicense", VERDICT_REJECTED},         {"Unauthorized", VERDICT_REJECTED},
    {"AccessDenied", VERDICT_REJECTED},      {"RouteNotFound", VERDICT_REJECTED},
    {"RequestTooFrequently", VERDICT_RETRY}, {"InternalError", VERDICT_RETRY},
};

static void member(struct text *json, const char *name, const char *value)
{
    text_json(json, name);
    text_putc(json, ':');
    text_json(json, value);
}

void flashduty_encode(const struct alert *alert, struct text *json)
{
    text_putc(json, '{');
    member(json, "title_rule", alert->title);
    text_putc(json, ',');
    member(json, "event_status", severity_names[alert->severity]);
    text_putc(json, ',');
    member(json, "alert_key", alert->key);
    text_putc(json, ',');
    member(json, "description", alert->description);
    text_puts(json, ",\"labels\":{");
    for (size_t i = 0; i < alert->label_count; i++) {
        if (i)
            text_putc(json, ',');
        member(json, alert->labels[i].name, alert->labels[i].value);
    }
    text_puts(json, "}}");
}

bool flashduty_decode(const char *json, struct arena *arena, struct alert *alert)
{
    struct json tree = {0};
    *alert = (struct alert){0};
    if (!json_parse_within(json, &tree, arena))
        return false;
    const char *status = json_string(tree.root, "event_status");
    alert->key = arena_string(arena, json_string(tree.root, "alert_key"));
    alert->title = arena_string(arena, json_string(tree.root, "title_rule"));
    alert->description = arena_string(arena, json_string(tree.root, "description"));
    const cJSON *label;
    cJSON_ArrayForEach(label, json_get(tree.root, "labels"))
    {
        (void)alert_add_label(alert, arena, label->string, cJSON_GetStringValue(label));
    }
    bool is_event = status && severity_from_name(status, &alert->severity);
    json_clear(&tree);
    return is_event && !arena->failed;
}

const char *flashduty_url(struct arena *arena, const char *base, const char *key)
{
    return arena_printf(arena, "%s?integration_key=%s", base, key);
}

static enum verdict by_status(long status)
{
    if (status >= 400 && status < 500 && status != 408 && status != 425 && status != 429)
        return VERDICT_REJECTED;
    return VERDICT_RETRY;
}

static struct flashduty_answer judge_error(struct arena *arena, long status, const cJSON *error)
{
    const char *code = json_string(error, "code"), *message = json_string(error, "message");
    struct flashduty_answer answer = {by_status(status), arena_string(arena, code),
                                      arena_string(arena, message), code && *code ? "other" : "",
                                      ""};
    if (!*answer.code && !*answer.message)
        answer.message =
            arena_printf(arena, "HTTP status %ld with an error without a code", status);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(codes[i].code, answer.code))
            continue;
        answer.verdict = codes[i].verdict;
        answer.kind = codes[i].code;
    }
    return answer;
}

struct flashduty_answer flashduty_judge(struct arena *arena, long status, const char *body,
                                        size_t length)
{
    struct json json = {0};
    struct error ignored = {0};
    struct flashduty_answer answer = {VERDICT_RETRY, "", "", "", ""};
    bool is_json = json_parse(body, length, &json, &ignored);
    const cJSON *error = json_get(json.root, "error");
    const char *request_id = json_string(json.root, "request_id");
    bool is_flashduty = is_json && (request_id || cJSON_IsObject(json_get(json.root, "data")));
    if (cJSON_IsObject(error))
        answer = judge_error(arena, status, error);
    else if (is_flashduty && status >= 200 && status < 300 && (!error || cJSON_IsNull(error)))
        answer.verdict = VERDICT_ACCEPTED;
    else if (is_flashduty) {
        answer.verdict = by_status(status);
        answer.message = arena_printf(arena, "HTTP status %ld", status);
    } else
        answer.message = arena_printf(arena, "HTTP status %ld without Flashduty's JSON", status);
    answer.request_id = arena_string(arena, request_id);
    json_clear(&json);
    return answer;
}
