/* Draining the outbox: what is due goes out, by one process, and nothing holds up the rest. */
#include "flashduty_stub.h"

#include "storing.h"

#include <sys/stat.h>

#include "delivery/drainer.h"

#define PATIENCE_MS 10000

static struct server *flashduty;
static struct transport *transport;
static char url[64];

/* Puts an event to a destination into the outbox, due. */
static int64_t leave_at(struct storing *storing, const struct destination *where,
                        const char *alert_key, enum severity severity)
{
    struct store_event event = event_of(alert_key, severity);
    to(&event, where, 1);
    take(storing, &event);
    if (event.deliveries[0].state == DELIVERY_SENDING)
        report(storing, event.deliveries[0].id, TRY_NONE);
    return event.deliveries[0].id;
}

static int64_t leave(struct storing *storing, const char *alert_key, enum severity severity)
{
    return leave_at(storing, to_a, alert_key, severity);
}

static void leave_many(struct storing *storing, const struct destination *where, int count)
{
    char key[24];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        leave_at(storing, where, key, SEVERITY_WARNING);
    }
}

static struct drain_means means_of(struct store *store)
{
    return (struct drain_means){{transport, store, url}, "", NULL};
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void rest(void *context, int64_t ms)
{
    (void)context;
    pause_ms((long)ms);
}

static struct drain_report drain_once(struct storing *storing)
{
    const struct drain_means means = means_of(storing->store);
    const struct drain_watch watch = {NULL, never, rest, false, clock_monotonic_ms() + PATIENCE_MS};
    struct drain_report report = {0};
    assert_true(drain(&means, &watch, &report));
    return report;
}

static void what_is_due_is_sent_and_then_it_ends(void **state)
{
    struct storing *storing = *state;
    leave_many(storing, to_a, 40);
    int64_t since_ms = clock_monotonic_ms();
    struct drain_report report = drain_once(storing);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, PATIENCE_MS - 1000);
    assert_int_equal(report.delivered, 40);
    assert_int_equal(report.failed + report.rejected, 0);
    assert_false(report.is_store_bad);
    assert_string_equal(report.reason, "");
    assert_int_equal(stub_count(), 40);
    assert_int_equal(ledger(storing, "shop", "delivered"), 40);
}

static void with_nothing_due_it_ends_at_once(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    assert_true(store_is_writable(storing->store, &error));
    int64_t since_ms = clock_monotonic_ms();
    assert_int_equal(drain_once(storing).delivered, 0);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, 1000);
}

static void events_of_an_alert_go_in_their_order(void **state)
{
    struct storing *storing = *state;
    static const enum severity severities[] = {SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITY_INFO,
                                               SEVERITY_OK};
    for (size_t i = 0; i < 4; i++) {
        struct store_event event = event_of("disk", severities[i]);
        char json[128];
        snprintf(json, sizeof json, "{\"event_status\":\"%s\",\"alert_key\":\"disk\"}",
                 severity_names[severities[i]]);
        event.json = json;
        take(storing, &event);
        if (i == 0)
            report(storing, event.deliveries[0].id, TRY_NONE);
    }
    assert_int_equal(drain_once(storing).delivered, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(stub_hit(i).status, severity_names[severities[i]]);
}

static void what_is_rejected_and_what_fails_is_told(void **state)
{
    struct storing *storing = *state;
    leave(storing, "disk", SEVERITY_CRITICAL);
    stub_then(STUB_REJECTS);
    struct drain_report report = drain_once(storing);
    assert_int_equal(report.rejected, 1);
    assert_string_equal(report.reason, "told so");
    leave(storing, "load", SEVERITY_CRITICAL);
    stub_then(STUB_FAILS);
    report = drain_once(storing);
    assert_int_equal(report.failed, 1);
    assert_int_equal(ledger(storing, "shop", "queued"), 1);
}

static void one_process_drains_at_once(void **state)
{
    struct storing *storing = *state;
    only_of_a_file(storing);
    leave(storing, "disk", SEVERITY_CRITICAL);
    struct store *other = open_store(storing);
    struct drain_report report = {0};
    const struct drain_means means = means_of(other);
    const struct drain_watch watch = {NULL, never, rest, false, INT64_MAX};
    assert_true(store_lead(storing->store));
    assert_false(drain(&means, &watch, &report));
    assert_int_equal(stub_count(), 0);
    store_follow(storing->store);
    assert_true(drain(&means, &watch, &report));
    assert_int_equal(report.delivered, 1);
    store_free(other);
}

static void a_store_that_cannot_be_used_ends_it(void **state)
{
    struct storing *storing = *state;
    char aside[700];
    only_of_a_file(storing);
    leave(storing, "disk", SEVERITY_CRITICAL);
    snprintf(aside, sizeof aside, "%s.aside", storing->path);
    assert_int_equal(rename(storing->path, aside), 0);
    assert_int_equal(mkdir(storing->path, 0700), 0);
    storing->is_broken = true;
    assert_true(drain_once(storing).is_store_bad);
    assert_int_equal(stub_count(), 0);
}

/* ---- the thread ---- */

static struct drainer *start_drainer(struct store *store)
{
    struct error error = {0};
    const struct drain_means means = means_of(store);
    struct drainer *drainer = drainer_start(&means, &error);
    assert_non_null(drainer);
    return drainer;
}

static void wait_for_hits(size_t count, int64_t patience_ms)
{
    int64_t since_ms = clock_monotonic_ms();
    while (stub_count() < count) {
        if (clock_monotonic_ms() - since_ms > patience_ms)
            fail_msg("%zu of %zu came in %lld ms", stub_count(), count, (long long)patience_ms);
        pause_ms(10);
    }
}

static void who_is_woken_sends_at_once(void **state)
{
    struct storing *storing = *state;
    struct drainer *drainer = start_drainer(storing->store);
    struct error error = {0};
    assert_true(store_is_writable(storing->store, &error));
    pause_ms(1200);
    leave(storing, "disk", SEVERITY_CRITICAL);
    int64_t since_ms = clock_monotonic_ms();
    drainer_wake(drainer);
    wait_for_hits(1, 3000);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, 600);
    drainer_stop(drainer);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

static void a_destination_that_hangs_delays_no_other(void **state)
{
    struct storing *storing = *state;
    snprintf(stub.only, sizeof stub.only, "key-a");
    stub_then(STUB_HANGS);
    leave_many(storing, to_a, 40);
    leave_many(storing, to_b, 40);
    int64_t since_ms = clock_monotonic_ms();
    struct drainer *drainer = start_drainer(storing->store);
    while (number(storing, "SELECT count(*) FROM delivery WHERE state = 5") < 40) {
        assert_true(clock_monotonic_ms() - since_ms < 4000);
        pause_ms(20);
    }
    assert_int_equal(
        number(storing,
               "SELECT count(*) FROM delivery WHERE state = 5 AND flashduty_key = 'key-b'"),
        40);
    since_ms = clock_monotonic_ms();
    drainer_stop(drainer);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, 5500);
}

static void what_a_dead_process_was_sending_goes_out_soon(void **state)
{
    struct storing *storing = *state;
    struct drainer *drainer = start_drainer(storing->store);
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    assert_true(store_receive(storing->store, &event, 1, 500, &storing->arena));
    int64_t since_ms = clock_monotonic_ms();
    wait_for_hits(1, 4000);
    assert_in_range(clock_monotonic_ms() - since_ms, 450, 2000);
    drainer_stop(drainer);
    assert_int_equal(state_of(storing, event.deliveries[0].id), DELIVERY_DELIVERED);
}

static void who_is_stopped_ends_what_is_under_way(void **state)
{
    struct storing *storing = *state;
    stub_then(STUB_IS_SLOW);
    leave_many(storing, to_a, 3);
    struct drainer *drainer = start_drainer(storing->store);
    wait_for_hits(3, 4000);
    drainer_stop(drainer);
    assert_int_equal(ledger(storing, "shop", "delivered"), 3);
}

static void another_takes_over_when_the_first_ends(void **state)
{
    struct storing *storing = *state;
    only_of_a_file(storing);
    struct store *other = open_store(storing);
    struct error error = {0};
    assert_true(store_is_writable(storing->store, &error));
    assert_true(store_lead(storing->store));
    struct drainer *drainer = start_drainer(other);
    leave(storing, "disk", SEVERITY_CRITICAL);
    pause_ms(1500);
    assert_int_equal(stub_count(), 0);
    store_follow(storing->store);
    wait_for_hits(1, 4000);
    drainer_stop(drainer);
    store_free(other);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

static void after_an_outage_all_follows_soon(void **state)
{
    struct storing *storing = *state;
    stub_then(STUB_FAILS);
    leave_many(storing, to_a, 60);
    struct drainer *drainer = start_drainer(storing->store);
    wait_for_hits(FAILURES_MAX, 4000);
    pause_ms(500);
    size_t before = stub_count();
    /* By now only probes go out. */
    pause_ms(1000);
    assert_in_range(stub_count(), before, before + 1);
    stub_then(STUB_ACCEPTS);
    int64_t since_ms = clock_monotonic_ms();
    while (number(storing, "SELECT count(*) FROM delivery WHERE state = 5") < 60) {
        assert_true(clock_monotonic_ms() - since_ms < PROBE_MS + 4000);
        pause_ms(50);
    }
    drainer_stop(drainer);
}

static void the_rates_are_kept_while_draining(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 10;
    reopen(storing);
    leave_many(storing, to_a, 25);
    struct drainer *drainer = start_drainer(storing->store);
    wait_for_hits(25, 8000);
    drainer_stop(drainer);
    for (size_t i = 0; i + 10 < 25; i++)
        assert_true(stub_hit(i + 10).at_ms - stub_hit(i).at_ms >= 1000);
}

/* ---- all of them ---- */

static int start(void **state)
{
    struct error error = {0};
    (void)state;
    flashduty = server_start(stub_answer);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/push", flashduty->port);
    transport = transport_new("", "", true, &error);
    return transport ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    transport_free(transport);
    server_stop(flashduty);
    return 0;
}

static int set_up(void **state)
{
    stub_reset();
    return set_up_lasting(state);
}

static int set_up_short(void **state)
{
    stub_reset();
    return set_up_passing(state);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down_store)
#define TEST_PASSING(test) cmocka_unit_test_setup_teardown(test, set_up_short, tear_down_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_PASSING(what_is_due_is_sent_and_then_it_ends),
        TEST_PASSING(with_nothing_due_it_ends_at_once),
        TEST_PASSING(events_of_an_alert_go_in_their_order),
        TEST_PASSING(what_is_rejected_and_what_fails_is_told),
        TEST_PASSING(one_process_drains_at_once),
        TEST_PASSING(a_store_that_cannot_be_used_ends_it),
        TEST(who_is_woken_sends_at_once),
        TEST(a_destination_that_hangs_delays_no_other),
        TEST(what_a_dead_process_was_sending_goes_out_soon),
        TEST(who_is_stopped_ends_what_is_under_way),
        TEST(another_takes_over_when_the_first_ends),
        TEST(after_an_outage_all_follows_soon),
        TEST(the_rates_are_kept_while_draining),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
