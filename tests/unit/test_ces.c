/* What holds between CES messages: which of them are one alert; and whatever is sent. */
#include "mapping.h"

#define MUTATIONS 10000

static struct arena arena;

static int clear_arena(void **state)
{
    (void)state;
    assert_false(arena.failed);
    arena_clear(&arena);
    return 0;
}

/* An envelope around a message. */
static const char *envelope(const char *topic, const char *id, const char *subject,
                            const char *message)
{
    struct text body = {0};
    text_puts(&body, "{\"type\":\"Notification\",\"timestamp\":\"2026-11-20T03:00:10Z\","
                     "\"topic_urn\":");
    text_json(&body, topic);
    text_puts(&body, ",\"message_id\":");
    text_json(&body, id);
    text_puts(&body, ",\"subject\":");
    text_json(&body, subject);
    text_puts(&body, ",\"message\":");
    text_json(&body, message);
    text_putc(&body, '}');
    return text_into(&body, &arena);
}

#define TOPIC "urn:smn:cn-north-4:00000000000000000000000000000000:ops-alarms"
#define OTHER_TOPIC "urn:smn:cn-south-1:00000000000000000000000000000000:other"

struct outcome {
    const char *key, *title;
    enum severity severity;
    const char *level; /* "" for none */
    int64_t time_s;
};

/* An envelope that was signed at a time. */
static const char *envelope_at(const char *timestamp, const char *message)
{
    struct text body = {0};
    text_puts(&body, "{\"type\":\"Notification\",\"message_id\":\"1\",\"timestamp\":");
    text_json(&body, timestamp);
    text_puts(&body, ",\"message\":");
    text_json(&body, message);
    text_putc(&body, '}');
    return text_into(&body, &arena);
}

/* Maps a body that becomes one alert. */
static struct outcome outcome_of(const char *body)
{
    struct mapping mapping;
    if (!mapping_of(&mapping, &vendor_ces, body, strlen(body)))
        fail_msg("%s", mapping.error.text);
    assert_int_equal(mapping.receipt.items[0].kind, ITEM_ALERT);
    const struct alert *alert = &mapping.receipt.items[0].alert;
    assert_null(fault_of_alert(alert));
    /* Under AddressSanitizer this finds what is borrowed from the message. */
    struct outcome outcome = {arena_string(&arena, alert->key), arena_string(&arena, alert->title),
                              alert->severity, arena_string(&arena, alert->level), alert->time_s};
    mapping_clear(&mapping);
    return outcome;
}

static const char *key_of_message(const char *message)
{
    return outcome_of(envelope(TOPIC, "1", "", message)).key;
}

/* A classic message; a NULL member is left out. */
struct classic {
    const char *alarm_id, *name_space, *metric, *dimension, *status;
    const char *level, *value, *metric_name, *resource_id, *resource_name, *rule, *time;
};

static const struct classic usual = {
    .alarm_id = "al1",
    .name_space = "SYS.ECS",
    .metric = "cpu_util",
    .dimension = "instance_id:i-1",
    .status = "alarm",
    .level = "Critical",
    .value = "80%",
    .metric_name = "CPU Usage",
    .resource_id = "i-1",
    .resource_name = "ecs-1",
    .rule = "cpu-high",
    .time = "11 20, 2026 11:00:00 GMT+08:00",
};

static void member(struct text *json, const char *name, const char *value)
{
    if (!value)
        return;
    text_puts(json, json->data[json->length - 1] == '{' ? "" : ",");
    text_json(json, name);
    text_putc(json, ':');
    text_json(json, value);
}

static void template_members(struct text *json, const struct classic *classic)
{
    member(json, "AlarmLevel", classic->level);
    member(json, "Value", classic->value);
    member(json, "MetricName", classic->metric_name);
    member(json, "ResourceId", classic->resource_id);
    member(json, "ResourceName", classic->resource_name);
    member(json, "AlarmRuleName", classic->rule);
    member(json, "AlarmTime", classic->time);
}

static const char *classic_message(const struct classic *classic)
{
    struct text json = {0};
    text_putc(&json, '{');
    member(&json, "alarm_id", classic->alarm_id);
    member(&json, "namespace", classic->name_space);
    member(&json, "metric_name", classic->metric);
    member(&json, "dimension", classic->dimension);
    member(&json, "alarm_status", classic->status);
    text_puts(&json, ",\"template_variable\":{");
    template_members(&json, classic);
    text_puts(&json, "}}");
    return text_into(&json, &arena);
}

/* The same alarm by a content template; `status` is its IsAlarm. */
static const char *template_message(const struct classic *classic, const char *account,
                                    const char *region)
{
    struct text json = {0};
    text_puts(&json, "{\"version\":\"v1\",\"data\":{");
    member(&json, "AccountName", account);
    member(&json, "RegionId", region);
    member(&json, "IsAlarm", classic->status);
    template_members(&json, classic);
    text_puts(&json, "}}");
    return text_into(&json, &arena);
}

static void what_changes_in_an_alarm_keeps_its_key(void **state)
{
    (void)state;
    const char *key = key_of_message(classic_message(&usual));
    struct classic changed[] = {usual, usual, usual, usual, usual, usual, usual};
    changed[0].status = "ok";
    changed[1].level = "次要";
    changed[2].value = "95%";
    changed[3].time = "11 21, 2026 09:00:00 GMT+08:00";
    changed[4].metric_name = "CPU使用率";
    changed[5].resource_name = "renamed";
    changed[6].rule = "renamed";
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        assert_string_equal(key_of_message(classic_message(&changed[i])), key);
    const char *message = classic_message(&usual);
    assert_string_equal(outcome_of(envelope(OTHER_TOPIC, "1", "", message)).key, key);
    assert_string_equal(outcome_of(envelope(TOPIC, "2", "[Critical Alarm]x", message)).key, key);
}

static void another_rule_resource_or_metric_is_another_alarm(void **state)
{
    (void)state;
    struct classic changed[] = {usual, usual, usual, usual, usual, usual};
    const char *keys[sizeof changed / sizeof *changed];
    changed[1].alarm_id = "al2";
    changed[2].name_space = "AGT.ECS";
    changed[3].metric = "mem_util";
    changed[4].dimension = "instance_id:i-2";
    changed[5].status = "insufficient_data";
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        keys[i] = key_of_message(classic_message(&changed[i]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
    }
}

static void names_cannot_forge_their_neighbours(void **state)
{
    (void)state;
    static const char *const pairs[][2][2] = {
        {{"ab", "c"}, {"a", "bc"}},
        {{"a", "1:b,"}, {"a1:", "b,"}},
        {{"al1,7:SYS.ECS", "x"}, {"al1", "7:SYS.ECS,x"}},
        {{"", "al1"}, {"al1", ""}},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct classic a = usual, b = usual;
        a.metric = pairs[i][0][0];
        a.dimension = pairs[i][0][1];
        b.metric = pairs[i][1][0];
        b.dimension = pairs[i][1][1];
        a.metric_name = b.metric_name = a.resource_id = b.resource_id = NULL;
        a.resource_name = b.resource_name = NULL;
        assert_string_not_equal(key_of_message(classic_message(&a)),
                                key_of_message(classic_message(&b)));
    }
}

static void a_template_is_identified_by_account_region_rule_metric_and_resource(void **state)
{
    (void)state;
    struct classic v1 = usual, changed = usual;
    v1.status = "true";
    const char *key = key_of_message(template_message(&v1, "a", "cn-east-3"));
    changed.status = "false";
    changed.level = "提示";
    changed.value = NULL;
    changed.resource_name = "renamed";
    assert_string_equal(key_of_message(template_message(&changed, "a", "cn-east-3")), key);
    assert_string_not_equal(key_of_message(template_message(&v1, "b", "cn-east-3")), key);
    assert_string_not_equal(key_of_message(template_message(&v1, "a", "cn-east-2")), key);
    for (int i = 0; i < 3; i++) {
        changed = v1;
        *(i == 0 ? &changed.rule : i == 1 ? &changed.metric_name : &changed.resource_id) = "other";
        assert_string_not_equal(key_of_message(template_message(&changed, "a", "cn-east-3")), key);
    }
}

static void titles_of_an_alarm_and_its_end_are_one(void **state)
{
    (void)state;
    struct classic over = usual;
    over.status = "ok";
    assert_string_equal(
        outcome_of(envelope(TOPIC, "1", "[Critical Alarm]x", classic_message(&usual))).title,
        outcome_of(envelope(TOPIC, "2", "[Critical Ok]x", classic_message(&over))).title);
}

static void a_level_that_no_table_knows_outlives_the_message(void **state)
{
    (void)state;
    struct classic strange = usual;
    strange.level = "  Blocker of the whole region and of everything behind it";
    struct outcome outcome = outcome_of(envelope(TOPIC, "1", "", classic_message(&strange)));
    assert_int_equal(outcome.severity, SEVERITY_WARNING);
    assert_string_equal(outcome.level, "Blocker of the whole region and of everything behind it");
}

static void sentences_of_an_alarm_and_its_end_are_one_alert(void **state)
{
    (void)state;
#define EN(BRACKET, MIDDLE)                                                               \
    "[CN North-Beijing4][" BRACKET "]Dear a: The Rate of B of S-D \"r\" (ID: 1), " MIDDLE \
    ",Alarm Rule Name: n, x, You can log in to the Cloud Eye console to view details."
#define ZH(OPEN, LEVEL, CLOSE, MIDDLE)                                                \
    OPEN "华南-广州" CLOSE OPEN LEVEL CLOSE "尊敬的a：S-D “r” （ID：1）的比率" MIDDLE \
         "，触发规则：n，x，详情请访问云监控服务。"
    static const char *const pairs[][2] = {
        {EN("Critical Alarm", "Avg. >= 1% for 1 consecutive periods,\nCurrent Data: 2%,\nat 11 20, "
                              "2026 11:00:00 GMT+08:00 triggered an alarm"),
         EN("Critical Ok", "\nCurrent Data: 0%,\nat 11 20, 2026 11:05:00 GMT+08:00 changed to OK "
                           "from Alarm")},
        {ZH("[", "紧急告警", "]",
            "连续1次原始值>=1%，当前数据：2%，于2026/11/20 11:00:00 触发告警"),
         ZH("[", "紧急告警恢复", "]", "当前数据：0%，于2026/11/20 11:05:00 恢复正常")},
        {ZH("【", "提示告警", "】", "连续1次原始值>=1%，当前数据：2%，于2026/11/20 触发告警"),
         ZH("【", "提示告警恢复", "】", "于2026/11/20 11:05:00 恢复正常")},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct outcome alarm = outcome_of(envelope(TOPIC, "1", "", pairs[i][0]));
        struct outcome over = outcome_of(envelope(OTHER_TOPIC, "2", "", pairs[i][1]));
        assert_string_equal(alarm.key, over.key);
        assert_string_equal(alarm.title, over.title);
        assert_int_not_equal(alarm.severity, SEVERITY_OK);
        assert_int_equal(over.severity, SEVERITY_OK);
    }
}

static void own_words_are_told_apart_by_topic_and_subject(void **state)
{
    (void)state;
    const char *key = outcome_of(envelope(TOPIC, "1", "[Major Alarm]disk", "full")).key;
    assert_string_equal(outcome_of(envelope(TOPIC, "2", "[Major Ok]disk", "fine")).key, key);
    assert_string_not_equal(outcome_of(envelope(TOPIC, "1", "[Major Alarm]cpu", "full")).key, key);
    assert_string_not_equal(outcome_of(envelope(OTHER_TOPIC, "1", "disk", "full")).key, key);
    const char *alone = outcome_of(envelope(TOPIC, "1", "", "full")).key;
    assert_string_equal(outcome_of(envelope(TOPIC, "1", "", "full")).key, alone);
    assert_string_not_equal(outcome_of(envelope(TOPIC, "2", "", "full")).key, alone);
}

static void only_signed_times_order_the_events_of_an_alarm(void **state)
{
#define SENT_AT "2026-11-20T03:00:10Z"
#define SENT_AT_S 1795143610
#define CLASSIC(MEMBERS) "{\"alarm_id\":\"al1\"," MEMBERS "}"
#define TEMPLATE(MEMBERS) \
    "{\"version\":\"v1\",\"data\":{\"AlarmRuleName\":\"r\",\"IsAlarm\":true," MEMBERS "}}"
#define OTHER_TIMES                                    \
    "\"AlarmTime\":\"2026/11/20 10:00:00 GMT+08:00\"," \
    "\"AlarmRecordID\":\"ah1795140000000abcdefghi\""
    static const struct {
        const char *timestamp, *message;
        int64_t time_s;
    } cases[] = {
        {SENT_AT, CLASSIC("\"time\":1795143600999"), 1795143600},
        {SENT_AT, CLASSIC("\"time\":\"1795143600999\""), 1795143600},
        {SENT_AT, CLASSIC("\"time\":4102444800000"), 4102444800},
        {"yesterday", CLASSIC("\"time\":1795143600000"), 1795143600},
        {SENT_AT, CLASSIC("\"template_variable\":{" OTHER_TIMES "}"), SENT_AT_S},
        {SENT_AT, CLASSIC("\"time\":1795143600"), SENT_AT_S},
        {SENT_AT, CLASSIC("\"time\":1e300"), SENT_AT_S},
        {SENT_AT, CLASSIC("\"time\":\"nan\""), SENT_AT_S},
        {SENT_AT, CLASSIC("\"time\":\"2026-11-20T03:00:00Z\""), SENT_AT_S},
        {SENT_AT, TEMPLATE(OTHER_TIMES), SENT_AT_S},
        {SENT_AT, TEMPLATE("\"time\":1795143600000"), SENT_AT_S},
        {SENT_AT, "{\"time\":1795143600000}", SENT_AT_S},
        {SENT_AT, "in words", SENT_AT_S},
        {"2026-11-20T11:00:10.5+08:00", "in words", SENT_AT_S},
        {"2100-01-01T00:00:00Z", TEMPLATE(OTHER_TIMES), 4102444800},
        {"1970-01-01T00:00:00+08:00", TEMPLATE(OTHER_TIMES), 0},
        {"1795143610", TEMPLATE(OTHER_TIMES), 0},
        {"", CLASSIC("\"time\":true,\"template_variable\":{" OTHER_TIMES "}"), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(outcome_of(envelope_at(cases[i].timestamp, cases[i].message)).time_s,
                         cases[i].time_s);
}

static void a_message_of_any_kind_has_the_identity_of_its_envelope(void **state)
{
#define ENVELOPE(TYPE, MEMBERS) "{\"type\":\"" TYPE "\",\"topic_urn\":\"" TOPIC "\"," MEMBERS "}"
#define ID "\"message_id\":\"0a\","
#define LINK                                                                                \
    "\"subscribe_url\":\"https://console.huaweicloud.com/smn/subscription/confirm?token=t&" \
    "topic_urn=" TOPIC "\""
    static const struct {
        const char *body;
        enum item_kind kind;
        const char *message_id;
    } cases[] = {
        {ENVELOPE("Notification", ID "\"message\":\"m\""), ITEM_ALERT, "0a"},
        {ENVELOPE("Notification", ID "\"message\":\"[Critical Ok]\""), ITEM_IGNORED, "0a"},
        {ENVELOPE("SubscriptionConfirmation", ID LINK), ITEM_CONFIRM, "0a"},
        {ENVELOPE("UnsubscribeConfirmation", ID LINK), ITEM_IGNORED, "0a"},
        {ENVELOPE("HttpSubscriptionUserConfirm", ID LINK), ITEM_IGNORED, "0a"},
        {ENVELOPE("Notification", "\"message\":\"m\""), ITEM_ALERT, ""},
        {ENVELOPE("Notification", "\"message_id\":7,\"message\":\"m\""), ITEM_ALERT, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mapping mapping;
        if (!mapping_of(&mapping, &vendor_ces, cases[i].body, strlen(cases[i].body)))
            fail_msg("%s", mapping.error.text);
        json_clear(&mapping.json);
        assert_int_equal(mapping.receipt.items[0].kind, cases[i].kind);
        assert_string_equal(mapping.receipt.items[0].message_id, cases[i].message_id);
        assert_string_equal(mapping.receipt.message_id, cases[i].message_id);
        mapping_clear(&mapping);
    }
}

/* The fixtures' messages, changed at random: within the envelope, and the envelope itself. */
static void whatever_is_sent_becomes_an_alert_that_may_be_sent(void **state)
{
    (void)state;
    static struct seeds seeds;
    uint64_t random = 20261124;
    read_seeds("tests/fixtures/ces", &seeds);
    for (int i = 0; i < MUTATIONS; i++) {
        const struct text *seed = &seeds.bodies[below(&random, seeds.count)];
        struct text body = {0}, message = {0};
        cJSON *tree = cJSON_ParseWithLength(text_string(seed), seed->length);
        const char *inner = json_string(tree, "message"), *subject = json_string(tree, "subject");
        text_puts(&message, inner ? inner : "");
        if (below(&random, 4) == 0 || !mutate_json(&message, &random))
            mutate_bytes(&message, &random);
        text_puts(&body, envelope(TOPIC, piece(&random),
                                  below(&random, 3) && subject ? subject : piece(&random),
                                  text_string(&message)));
        if (below(&random, 8) == 0)
            mutate_bytes(&body, &random);
        else if (below(&random, 8) == 0)
            mutate_json(&body, &random);
        assert_mapped_well(&vendor_ces, text_string(&body), body.length);
        cJSON_Delete(tree);
        text_clear(&message);
        text_clear(&body);
        arena_clear(&arena);
    }
    clear_seeds(&seeds);
}

/* The note about a message; "" for none. */
static const char *note_of(const char *message)
{
    struct mapping mapping;
    const char *body = envelope(TOPIC, "1", "", message);
    assert_true(mapping_of(&mapping, &vendor_ces, body, strlen(body)));
    assert_false(mapping.receipt.items[0].note_is_detail);
    const char *note = arena_string(&arena, mapping.receipt.items[0].note);
    mapping_clear(&mapping);
    return note;
}

static void a_template_of_another_version_is_read_and_noted(void **state)
{
    (void)state;
#define VERSION_OF(VERSION) \
    "{" VERSION "\"data\":{\"AlarmRuleName\":\"r\",\"MetricName\":\"m\",\"IsAlarm\":true}}"
    const char *const strange[] = {"\"version\":\"v2\",", "\"version\":2,", "\"version\":null,",
                                   "\"version\":[\"v1\"],"};
    const char *v1 = VERSION_OF("\"version\":\"v1\",");
    assert_string_equal(note_of(v1), "");
    assert_string_equal(note_of(VERSION_OF("")), "");
    assert_string_equal(note_of("{\"version\":\"v2\",\"other\":\"service\"}"), "");
    assert_string_equal(note_of("text"), "");
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        const char *message = arena_printf(&arena, "{%s%s", strange[i], &VERSION_OF("")[1]);
        assert_non_null(strstr(note_of(message), "version"));
        assert_string_equal(key_of_message(message), key_of_message(v1));
    }
    assert_non_null(strstr(note_of(VERSION_OF("\"version\":\"v2\",")), "\"v2\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_changes_in_an_alarm_keeps_its_key, clear_arena),
        cmocka_unit_test_teardown(another_rule_resource_or_metric_is_another_alarm, clear_arena),
        cmocka_unit_test_teardown(names_cannot_forge_their_neighbours, clear_arena),
        cmocka_unit_test_teardown(
            a_template_is_identified_by_account_region_rule_metric_and_resource, clear_arena),
        cmocka_unit_test_teardown(titles_of_an_alarm_and_its_end_are_one, clear_arena),
        cmocka_unit_test_teardown(a_level_that_no_table_knows_outlives_the_message, clear_arena),
        cmocka_unit_test_teardown(sentences_of_an_alarm_and_its_end_are_one_alert, clear_arena),
        cmocka_unit_test_teardown(own_words_are_told_apart_by_topic_and_subject, clear_arena),
        cmocka_unit_test_teardown(only_signed_times_order_the_events_of_an_alarm, clear_arena),
        cmocka_unit_test_teardown(a_message_of_any_kind_has_the_identity_of_its_envelope,
                                  clear_arena),
        cmocka_unit_test_teardown(whatever_is_sent_becomes_an_alert_that_may_be_sent, clear_arena),
        cmocka_unit_test_teardown(a_template_of_another_version_is_read_and_noted, clear_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
