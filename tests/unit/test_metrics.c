/* What Prometheus reads, line by line. */
#include "storing.h"

#include "status/metrics.h"

static struct integration shops[] = {{.name = "shop"}, {.name = "quiet"}};

/* The text of now; in storing's arena. */
static const char *metrics_of(struct storing *storing, struct config *config)
{
    struct error error = {0};
    struct text out = {0};
    struct history *history = history_open(storing->path, &error);
    metrics_write(history, config, 0, &out);
    history_close(history);
    return text_into(&out, &storing->arena);
}

static const char *metrics(struct storing *storing)
{
    struct config config = {
        .integrations = shops, .integration_count = 2, .limits = {.outbox_limit = 1000}};
    return metrics_of(storing, &config);
}

static void expect_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    for (const char *start = text; start && *start; start = strchr(start, '\n')) {
        start += *start == '\n';
        if (!strncmp(start, line, length) && start[length] == '\n')
            return;
    }
    fail_msg("no line %s in\n%s", line, text);
}

static void expect_nothing(const char *text, const char *words)
{
    if (strstr(text, words))
        fail_msg("%s stands in\n%s", words, text);
}

static void what_was_counted_is_there(void **state)
{
    struct storing *storing = *state;
    clock_set_wall_ms(1800000000 * SECOND);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    report(storing, id, TRY_FAILED);
    store_refuse(storing->store, "shop", REFUSAL_SIGNATURE);
    store_refuse(storing->store, "(none)", REFUSAL_KEY);
    store_count(storing->store, "shop", OUTCOME_IGNORED);
    reopen(storing);
    clock_set_wall_ms(1800000002 * SECOND + 500);
    const char *text = metrics(storing);
    expect_line(text, "flashduty_gateway_store_up 1");
    expect_line(text, "flashduty_gateway_received_total{integration=\"shop\"} 3");
    expect_line(text, "flashduty_gateway_verified_total{integration=\"shop\"} 2");
    expect_line(text,
                "flashduty_gateway_refused_total{integration=\"shop\",reason=\"signature\"} 1");
    expect_line(text, "flashduty_gateway_refused_total{integration=\"(none)\",reason=\"key\"} 1");
    expect_line(text,
                "flashduty_gateway_mapped_total{integration=\"shop\",severity=\"Warning\"} 1");
    expect_line(text, "flashduty_gateway_ignored_total{integration=\"shop\"} 1");
    expect_line(text, "flashduty_gateway_queued_total{integration=\"shop\"} 1");
    expect_line(
        text, "flashduty_gateway_upstream_answers_total{status=\"500\",code=\"InternalError\"} 1");
    expect_line(text, "flashduty_gateway_messages{integration=\"shop\",place=\"queued\"} 1");
    expect_line(text, "flashduty_gateway_outbox_deliveries{state=\"waiting\"} 1");
    expect_line(text, "flashduty_gateway_outbox_oldest_age_seconds 2.500");
    expect_line(text, "flashduty_gateway_kept_deliveries 1");
    expect_line(text, "flashduty_gateway_kept_deliveries_limit 1000");
    expect_line(text, "flashduty_gateway_failing_destinations 1");
    expect_line(text, "flashduty_gateway_last_alert_timestamp_seconds{integration=\"shop\"} "
                      "1800000000.000");
}

static void what_was_delivered_is_there_with_its_time(void **state)
{
    struct storing *storing = *state;
    clock_set_wall_ms(1800000000 * SECOND);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    clock_set_wall_ms(1800000000 * SECOND + 70);
    report(storing, id, TRY_ACCEPTED);
    const char *text = metrics(storing);
    expect_line(text, "flashduty_gateway_delivered_total{integration=\"shop\"} 1");
    expect_line(text,
                "flashduty_gateway_delivery_seconds_bucket{integration=\"shop\",le=\"0.05\"} 0");
    expect_line(text,
                "flashduty_gateway_delivery_seconds_bucket{integration=\"shop\",le=\"0.1\"} 1");
    expect_line(text,
                "flashduty_gateway_delivery_seconds_bucket{integration=\"shop\",le=\"43200\"} 1");
    expect_line(text,
                "flashduty_gateway_delivery_seconds_bucket{integration=\"shop\",le=\"+Inf\"} 1");
    expect_line(text, "flashduty_gateway_delivery_seconds_sum{integration=\"shop\"} 0.070");
    expect_line(text, "flashduty_gateway_delivery_seconds_count{integration=\"shop\"} 1");
    expect_line(text, "flashduty_gateway_upstream_answers_total{status=\"200\",code=\"\"} 1");
}

static void what_never_happened_is_zero(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    assert_true(store_is_writable(storing->store, &error));
    const char *text = metrics(storing);
    expect_line(text, "flashduty_gateway_received_total{integration=\"quiet\"} 0");
    expect_line(text, "flashduty_gateway_refused_total{integration=\"quiet\",reason=\"full\"} 0");
    expect_line(text, "flashduty_gateway_outbox_oldest_age_seconds 0.000");
    /* A time that never was is none. */
    expect_nothing(text, "\nflashduty_gateway_last_drain_timestamp_seconds ");
    expect_nothing(text, "last_alert_timestamp_seconds{");
}

static void a_failure_without_an_answer_has_no_status(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    struct store_try one = try_of(id, TRY_FAILED);
    one.status = 0;
    one.kind = "";
    assert_true(store_report(storing->store, &one, 1));
    expect_line(metrics(storing),
                "flashduty_gateway_upstream_answers_total{status=\"none\",code=\"\"} 1");
}

static void without_a_store_the_rest_is_there(void **state)
{
    struct storing *storing = *state;
    only_of_a_file(storing); /* on a server the test has made it */
    struct smn_pin pin = {.file = "a\"b\\c\nd.pem", .ends_s = 1900000000};
    struct config config = {.pass_through = true, .smn = {.pins = &pin, .pin_count = 1}};
    const char *text = metrics_of(storing, &config);
    expect_line(text, "flashduty_gateway_store_up 0");
    expect_line(text, "flashduty_gateway_build_info{version=\"" VERSION "\"} 1");
    expect_line(text, "flashduty_gateway_pass_through 1");
    expect_line(text, "flashduty_gateway_configuration_valid 1");
    config.refusal = "gateway.conf:3: x";
    expect_line(metrics_of(storing, &config), "flashduty_gateway_configuration_valid 0");
    expect_line(text, "flashduty_gateway_certificate_expiry_timestamp_seconds"
                      "{certificate=\"a\\\"b\\\\c\\nd.pem\"} 1900000000");
    expect_nothing(text, "received_total");
    storing->is_broken = true;
}

static void subscriptions_are_counted_by_their_state(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation one = {.scope = "shop",
                                     .integration = "shop",
                                     .request_id = "r",
                                     .topic = "topic-1",
                                     .url = "https://example.invalid/",
                                     .host = "example.invalid",
                                     .reason = ""};
    clock_set_wall_ms(1800000000 * SECOND);
    assert_true(store_confirmed(storing->store, &one));
    one.topic = "topic-2";
    assert_true(store_confirmed(storing->store, &one));
    assert_true(store_unsubscribed(storing->store, "shop", "topic-2"));
    one.topic = "topic-3";
    assert_true(store_keep_confirmation(storing->store, &one));
    const char *text = metrics(storing);
    expect_line(text,
                "flashduty_gateway_subscriptions{integration=\"shop\",state=\"confirmed\"} 1");
    expect_line(text, "flashduty_gateway_subscriptions{integration=\"shop\",state=\"removed\"} 1");
    expect_line(text, "flashduty_gateway_subscriptions{integration=\"shop\",state=\"waiting\"} 1");
    /* Subscribed again: nothing is removed any more. */
    clock_set_wall_ms(1800000001 * SECOND);
    one.topic = "topic-2";
    assert_true(store_confirmed(storing->store, &one));
    text = metrics(storing);
    expect_line(text,
                "flashduty_gateway_subscriptions{integration=\"shop\",state=\"confirmed\"} 2");
    expect_line(text, "flashduty_gateway_subscriptions{integration=\"shop\",state=\"removed\"} 0");
    expect_line(text, "flashduty_gateway_ignored_total{integration=\"shop\"} 1");
}

static void in_pass_through_all_keys_have_one_name(void **state)
{
    struct storing *storing = *state;
    struct config config = {.pass_through = true};
    for (int i = 0; i < 3; i++) {
        char scope[32];
        struct store_event event = event_of("disk", SEVERITY_CRITICAL);
        snprintf(scope, sizeof scope, "digest-%d", i);
        event.scope = scope;
        event.integration = "(pass-through)";
        take(storing, &event);
    }
    const char *text = metrics_of(storing, &config);
    expect_line(text, "flashduty_gateway_received_total{integration=\"(pass-through)\"} 3");
    expect_nothing(text, "digest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(what_was_counted_is_there),
        IN_BOTH(what_was_delivered_is_there_with_its_time),
        IN_PASSING(what_never_happened_is_zero),
        IN_PASSING(a_failure_without_an_answer_has_no_status),
        IN_PASSING(without_a_store_the_rest_is_there),
        IN_PASSING(subscriptions_are_counted_by_their_state),
        IN_PASSING(in_pass_through_all_keys_have_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
