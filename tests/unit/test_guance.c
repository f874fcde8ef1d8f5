/* What holds between Guance events: which of them are one alert; and whatever is sent. */
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

/* An event of these members. */
#define EVENT(MEMBERS) "{\"timestamp\":1795143600,\"df_title\":\"t\"," MEMBERS "}"

/* Maps one event. */
static const struct item *map(struct mapping *mapping, const char *body)
{
    if (!mapping_of(mapping, &vendor_guance, body, strlen(body)))
        fail_msg("%s", mapping->error.text);
    assert_int_equal(mapping->receipt.count, 1);
    return &mapping->receipt.items[0];
}

static const char *key_of(const char *body)
{
    struct mapping mapping;
    const struct item *item = map(&mapping, body);
    assert_int_equal(item->kind, ITEM_ALERT);
    assert_null(fault_of_alert(&item->alert));
    const char *key = arena_string(&arena, item->alert.key);
    mapping_clear(&mapping);
    return key;
}

/* A label of the one alert; "" if it has none of the name. */
static const char *label_of(const char *body, const char *name)
{
    struct mapping mapping;
    const char *value = arena_string(&arena, alert_label(&map(&mapping, body)->alert, name));
    mapping_clear(&mapping);
    return value;
}

static void the_reference_is_the_alerts_identity(void **state)
{
    (void)state;
#define REF "\"df_monitor_checker_event_ref\":\"0123abcd\","
    static const char *const one[] = {
        EVENT(REF "\"df_status\":\"critical\",\"df_event_id\":\"event-1\""),
        EVENT(REF "\"df_status\":\"ok\",\"df_event_id\":\"event-2\""),
        EVENT(REF "\"df_status\":\"nodata\",\"df_monitor_checker_sub\":\"nodata\""),
        EVENT(REF "\"df_status\":\"warning\",\"df_title\":\"other\",\"df_fault_id\":\"event-1\""),
        EVENT(REF "\"df_status\":\"error\",\"df_monitor_checker_id\":\"rul_1\",\"date\":1"),
        EVENT(REF "\"df_event_id\":\"event-3\""),
    };
    for (size_t i = 0; i < sizeof one / sizeof *one; i++)
        assert_string_equal(key_of(one[i]), "guance:0123abcd");
    assert_string_not_equal(
        key_of(EVENT("\"df_monitor_checker_event_ref\":\"0123abce\",\"df_status\":\"ok\"")),
        "guance:0123abcd");
}

static void without_it_the_monitor_and_its_tags_are(void **state)
{
    (void)state;
#define RULE(ID, TAGS) EVENT("\"df_status\":\"ok\",\"df_monitor_checker_id\":\"" ID "\"" TAGS)
    static const char *const one[] = {
        RULE("rul_1", ",\"df_dimension_tags\":\"{\\\"a\\\":\\\"1\\\",\\\"b\\\":2}\""),
        RULE("rul_1", ",\"df_dimension_tags\":\" { \\\"b\\\" : 2.0, \\\"a\\\" : \\\"1\\\" } \""),
        RULE("rul_1", ",\"df_dimension_tags\":{\"b\":2,\"a\":\"1\"}"),
        RULE("rul_1", ",\"df_dimension_tag\":\"{\\\"a\\\":\\\"1\\\",\\\"b\\\":2}\""),
        RULE("rul_1", ",\"df_dimension_tags\":{\"a\":\"\\u0031\",\"b\":2},\"df_fault_id\":\"x\""),
    };
    static const char *const none[] = {
        RULE("rul_1", ""),
        RULE("rul_1", ",\"df_dimension_tags\":\"\""),
        RULE("rul_1", ",\"df_dimension_tags\":\"{}\""),
        RULE("rul_1", ",\"df_dimension_tags\":{}"),
        RULE("rul_1", ",\"df_dimension_tags\":null"),
        RULE("rul_1", ",\"df_dimension_tags\":\" null \""),
    };
    static const char *const others[] = {
        RULE("rul_2", ",\"df_dimension_tags\":{\"a\":\"1\",\"b\":2}"),
        RULE("rul_1", ",\"df_dimension_tags\":{\"a\":\"1\",\"b\":3}"),
        RULE("rul_1", ",\"df_dimension_tags\":{\"a\":\"1\"}"),
        RULE("rul_1", ",\"df_dimension_tags\":{\"a\":\"1\\\",\\\"b\\\":2,\\\"c\\\":\\\"\"}"),
        RULE("rul_1", ",\"df_dimension_tags\":\"a=1\""),
        RULE("rul_1", ",\"df_dimension_tags\":[\"a\"]"),
        RULE("rul_1", ""),
        RULE("rul_1\\n", ",\"df_dimension_tags\":\"x\""),
    };
    for (size_t i = 1; i < sizeof one / sizeof *one; i++)
        assert_string_equal(key_of(one[i]), key_of(one[0]));
    for (size_t i = 1; i < sizeof none / sizeof *none; i++)
        assert_string_equal(key_of(none[i]), key_of(none[0]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_string_not_equal(key_of(others[i]), key_of(one[0]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(key_of(others[i]), key_of(others[j]));
    }
}

static void a_fault_is_closed_by_the_id_of_its_first_event(void **state)
{
    (void)state;
    assert_string_equal(key_of(EVENT("\"df_status\":\"error\",\"df_event_id\":\"event-1\"")),
                        key_of(EVENT("\"df_status\":\"ok\",\"df_event_id\":\"event-2\","
                                     "\"df_fault_id\":\"event-1\"")));
}

static void a_recovery_of_nothing_is_ignored(void **state)
{
    struct mapping mapping;
    (void)state;
    const struct item *item =
        map(&mapping, EVENT("\"df_status\":\"ok\",\"df_event_id\":\"event-2\""));
    assert_int_equal(item->kind, ITEM_IGNORED);
    assert_non_null(item->reason);
    mapping_clear(&mapping);
}

static void a_time_that_cannot_be_right_is_that_of_arrival(void **state)
{
    static const struct {
        const char *members, *time;
    } cases[] = {
        {"\"timestamp\":1795143600", "2026-11-20T03:00:00Z"},
        {"\"timestamp\":\"1795143600\"", "2026-11-20T03:00:00Z"},
        {"\"timestamp\":1795143600999", "2026-11-20T03:00:00Z"},
        {"\"timestamp\":0,\"date\":1795143600000", "2026-11-20T03:00:00Z"},
        {"\"timestamp\":1420070400", "2015-01-01T00:00:00Z"},
        {"\"timestamp\":1420070399", "2026-11-24T00:00:00Z"},
        {"\"timestamp\":1795564800", "2026-11-25T00:00:00Z"},
        {"\"timestamp\":1795564801", "2026-11-24T00:00:00Z"},
        {"\"timestamp\":\"nan\"", "2026-11-24T00:00:00Z"},
        {"\"timestamp\":\"inf\"", "2026-11-24T00:00:00Z"},
        {"\"timestamp\":-1795143600", "2026-11-24T00:00:00Z"},
        {"\"timestamp\":1e300", "2026-11-24T00:00:00Z"},
        {"\"timestamp\":true", "2026-11-24T00:00:00Z"},
        {"\"timestamp\":[1795143600]", "2026-11-24T00:00:00Z"},
        {"\"df_source\":\"monitor\"", "2026-11-24T00:00:00Z"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *body = arena_printf(
            &arena, "{\"df_status\":\"error\",\"df_event_id\":\"e\",%s}", cases[i].members);
        assert_string_equal(label_of(body, "event_time"), cases[i].time);
    }
}

static void a_time_ahead_of_us_is_told_as_it_is(void **state)
{
    static const struct {
        const char *members;
        int64_t time_s;
    } cases[] = {
        {"\"timestamp\":1795143600", 1795143600},
        {"\"timestamp\":\" 1795143600\"", 1795143600},
        {"\"timestamp\":1795143600999", 1795143600},
        {"\"timestamp\":1420070400", 1420070400},
        {"\"timestamp\":4102444800", 4102444800},
        {"\"timestamp\":4102444800000", 4102444800},
        {"\"timestamp\":1e21", 1000000000000000000},
        {"\"timestamp\":1e22", 0},
        {"\"timestamp\":1e300", 0},
        {"\"timestamp\":\"inf\"", 0},
        {"\"timestamp\":\"nan\"", 0},
        {"\"timestamp\":1420070399", 0},
        {"\"timestamp\":-1795143600", 0},
        {"\"timestamp\":\"2026-11-20T03:00:00Z\"", 0},
        {"\"timestamp\":true", 0},
        {"\"timestamp\":null,\"date\":1795143600000", 0},
        {"\"date\":1795143600", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mapping mapping;
        const char *body = arena_printf(
            &arena, "{\"df_status\":\"error\",\"df_event_id\":\"e\",%s}", cases[i].members);
        assert_int_equal(map(&mapping, body)->alert.time_s, cases[i].time_s);
        mapping_clear(&mapping);
    }
}

static void each_event_has_the_identity_of_its_id_and_status(void **state)
{
    static const struct {
        const char *element;
        enum item_kind kind;
        const char *message_id;
    } cases[] = {
        {EVENT("\"df_event_id\":\"event-1\",\"df_status\":\"critical\""), ITEM_ALERT,
         "event-1:critical"},
        {EVENT("\"df_event_id\":\" event-1 \",\"df_status\":\" Data Missing \""), ITEM_ALERT,
         "event-1:data missing"},
        {EVENT("\"df_event_id\":\"event-1\",\"df_status\":\"OK\""), ITEM_IGNORED, "event-1:ok"},
        {EVENT("\"df_event_id\":7,\"df_status\":\"High\""), ITEM_ALERT, "7:high"},
        {EVENT("\"df_event_id\":\"event-1\""), ITEM_ALERT, "event-1:"},
        {EVENT("\"df_event_id\":\"\",\"df_status\":\"critical\""), ITEM_ALERT, ""},
        {EVENT("\"df_event_id\":\" \",\"df_status\":\"critical\""), ITEM_ALERT, ""},
        {EVENT("\"df_event_id\":null,\"df_status\":\"critical\""), ITEM_ALERT, ""},
        {EVENT("\"df_event_id\":true,\"df_status\":\"critical\""), ITEM_ALERT, ""},
        {EVENT("\"df_fault_id\":\"x\",\"df_status\":\"critical\""), ITEM_ALERT, ""},
        {EVENT("\"df_source\":\"monitor\""), ITEM_IGNORED, ""},
        {"{\"event_id\":\"event-1\"}", ITEM_REFUSED, ""},
        {"\"event-1\"", ITEM_REFUSED, ""},
    };
    struct text body = {0};
    struct mapping mapping;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        text_printf(&body, "%c%s", i ? ',' : '[', cases[i].element);
    text_putc(&body, ']');
    assert_true(mapping_of(&mapping, &vendor_guance, text_string(&body), body.length));
    json_clear(&mapping.json);
    text_clear(&body);
    assert_int_equal(mapping.receipt.count, sizeof cases / sizeof *cases);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mapping.receipt.items[i].kind, cases[i].kind);
        assert_string_equal(mapping.receipt.items[i].message_id, cases[i].message_id);
    }
    mapping_clear(&mapping);
}

static void only_the_events_own_members_are_read(void **state)
{
    (void)state;
    static const char body[] =
        EVENT("\"df_status\":\"ok\",\"df_monitor_checker_event_ref\":\"1\",\"status\":\"critical\","
              "\"title\":\"x\",\"value\":\"9\",\"check\":\"c\",\"host\":\"h\",\"source\":\"s\"");
    struct mapping mapping;
    const struct item *item = map(&mapping, body);
    assert_int_equal(item->alert.severity, SEVERITY_OK);
    assert_string_equal(alert_label(&item->alert, "source"), "guance");
    assert_null(alert_label(&item->alert, "status"));
    assert_null(alert_label(&item->alert, "host"));
    assert_null(alert_label(&item->alert, "value"));
    mapping_clear(&mapping);
}

/* Whether a text of the alert holds a word. */
static bool holds(const struct alert *alert, const char *word)
{
    bool found =
        strstr(alert->title, word) || strstr(alert->description, word) || strstr(alert->key, word);
    for (size_t i = 0; i < alert->label_count; i++)
        found =
            found || strstr(alert->labels[i].value, word) || strstr(alert->labels[i].name, word);
    return found;
}

static void people_and_secrets_stay_out(void **state)
{
    static const char *const words[] = {"王小明",          "李雷",  "xiaoming", "lilei",
                                        "13000000000",     "acnt_", "值班一组", "EXAMPLE-SECRET",
                                        "integration_key", "mail",  "P99\"",    "dql"};
    static struct seeds seeds;
    size_t found = 0;
    (void)state;
    read_seeds("tests/fixtures/guance", &seeds);
    for (size_t i = 0; i < seeds.count; i++) {
        struct mapping mapping;
        const char *body = text_string(&seeds.bodies[i]);
        if (!strstr(body, "EXAMPLE-SECRET-DO-NOT-LEAK"))
            continue;
        found++;
        const struct item *item = map(&mapping, body);
        for (size_t j = 0; j < sizeof words / sizeof *words; j++)
            assert_false(holds(&item->alert, words[j]));
        mapping_clear(&mapping);
    }
    assert_int_equal(found, 1);
    clear_seeds(&seeds);
}

/* The fixtures, changed at random: their values, their tags, and their bytes. */
static void whatever_is_sent_becomes_an_alert_that_may_be_sent(void **state)
{
    static struct seeds seeds;
    uint64_t random = 20261125;
    (void)state;
    read_seeds("tests/fixtures/guance", &seeds);
    for (int i = 0; i < MUTATIONS; i++) {
        const struct text *seed = &seeds.bodies[below(&random, seeds.count)];
        struct text body = {0};
        if (seed->length > 20000 && below(&random, 20))
            continue;
        text_append(&body, text_string(seed), seed->length);
        if (below(&random, 4) == 0 || !mutate_json(&body, &random))
            mutate_bytes(&body, &random);
        assert_mapped_well(&vendor_guance, text_string(&body), body.length);
        text_clear(&body);
    }
    clear_seeds(&seeds);
}

static void a_sub_status_that_contradicts_is_noted(void **state)
{
    static const struct {
        const char *status, *sub_status;
        bool is_noted;
    } cases[] = {
        {"\"critical\"", "\"critical\"", false}, {"\"critical\"", "\" Critical\"", false},
        {"\"critical\"", "\"\"", false},         {"\"critical\"", "null", false},
        {"\"ok\"", "\"manual_ok\"", false},      {"\"nodata_ok\"", "\"ok\"", false},
        {"\"\"", "\"critical\"", false},         {"\"critical\"", "\"warning\"", true},
        {"\"critical\"", "\"ok\"", true},        {"\"ok\"", "\"critical\"", true},
        {"\"ok\"", "\"nodata\"", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mapping mapping;
        const char *body =
            arena_printf(&arena,
                         EVENT("\"df_event_id\":\"e\",\"df_fault_id\":\"f\",\"df_status\":%s,"
                               "\"df_sub_status\":%s"),
                         cases[i].status, cases[i].sub_status);
        const struct item *item = map(&mapping, body);
        assert_int_equal(item->kind, ITEM_ALERT);
        if ((item->note != NULL) != cases[i].is_noted || item->note_is_detail != cases[i].is_noted)
            fail_msg("%s: %s", body, item->note);
        mapping_clear(&mapping);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_reference_is_the_alerts_identity, clear_arena),
        cmocka_unit_test_teardown(without_it_the_monitor_and_its_tags_are, clear_arena),
        cmocka_unit_test_teardown(a_fault_is_closed_by_the_id_of_its_first_event, clear_arena),
        cmocka_unit_test_teardown(a_recovery_of_nothing_is_ignored, clear_arena),
        cmocka_unit_test_teardown(a_time_that_cannot_be_right_is_that_of_arrival, clear_arena),
        cmocka_unit_test_teardown(a_time_ahead_of_us_is_told_as_it_is, clear_arena),
        cmocka_unit_test_teardown(each_event_has_the_identity_of_its_id_and_status, clear_arena),
        cmocka_unit_test_teardown(only_the_events_own_members_are_read, clear_arena),
        cmocka_unit_test_teardown(people_and_secrets_stay_out, clear_arena),
        cmocka_unit_test_teardown(whatever_is_sent_becomes_an_alert_that_may_be_sent, clear_arena),
        cmocka_unit_test_teardown(a_sub_status_that_contradicts_is_noted, clear_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
