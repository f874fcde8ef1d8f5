/* An alert's whole way while the database goes away and comes back: what is answered, what goes
 * out. */
#include "flashduty_stub.h"

#include "spooling.h"

#include "delivery/drainer.h"

#define DEADLINE_MS 1500
#define PATIENCE_MS 15000

static struct server *flashduty;
static struct transport *transport;
static char url[64];
static struct storing *goes_down; /* with the next request that Flashduty gets */

static struct dispatch dispatch_alert(struct storing *storing, const char *alert_key,
                                      enum severity severity)
{
    const struct delivery_means means = {transport, storing->store, url};
    const struct alert alert = {
        .severity = severity, .key = alert_key, .title = "title", .description = "d"};
    struct dispatch dispatch = {.alert = &alert,
                                .scope = "shop",
                                .integration = "shop",
                                .request_id = "request",
                                .message_id = "",
                                .destinations = to_a,
                                .destination_count = 1,
                                .routes = to_both,
                                .route_count = 2};
    delivery_dispatch(&means, &dispatch, 1, clock_monotonic_ms() + DEADLINE_MS, &storing->arena);
    return dispatch;
}

static void wait_for_hits(size_t count)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (stub_count() < count && clock_monotonic_ms() < until_ms)
        pause_ms(20);
    assert_int_equal(stub_count(), count);
}

static void wait_until_delivered(const struct storing *storing, int64_t count)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (ledger(storing, "shop", "delivered") < count && clock_monotonic_ms() < until_ms)
        pause_ms(20);
    assert_int_equal(ledger(storing, "shop", "delivered"), count);
}

static struct drainer *start_draining(struct storing *storing)
{
    struct error error = {0};
    const struct drain_means means = {{transport, storing->store, url}, "", NULL};
    struct drainer *drainer = drainer_start(&means, &error);
    assert_non_null(drainer);
    return drainer;
}

/* ---- it goes away while an alert is being sent ---- */

static void what_the_database_holds_is_promised_although_nobody_can_report_it(void **state)
{
    struct storing *storing = *state;
    stub_then(STUB_FAILS);
    goes_down = storing;
    struct dispatch dispatch = dispatch_alert(storing, "disk", SEVERITY_CRITICAL);
    assert_int_equal(dispatch.outcome, OUTCOME_QUEUED);
    assert_true(dispatch.deliveries[0].id > 0);
    /* Its lease lasts: it was tried as often as time allowed. */
    assert_in_range(stub_count(), 2, 10);
    come_back(storing);
    change(storing, "UPDATE delivery SET lease_steady_ms = 1");
    stub_then(STUB_ACCEPTS);
    struct drainer *drainer = start_draining(storing);
    wait_until_delivered(storing, 1);
    drainer_stop(drainer);
}

static void what_flashduty_takes_then_is_reported_later(void **state)
{
    struct storing *storing = *state;
    stub_first(STUB_FAILS, STUB_ACCEPTS);
    goes_down = storing;
    struct dispatch dispatch = dispatch_alert(storing, "disk", SEVERITY_CRITICAL);
    assert_int_equal(dispatch.outcome, OUTCOME_DELIVERED);
    come_back(storing);
    wait_until_delivered(storing, 1);
    assert_int_equal(stub_count(), 2);
}

static void what_is_rejected_then_is_tried_once_more(void **state)
{
    struct storing *storing = *state;
    stub_then(STUB_REJECTS);
    goes_down = storing;
    assert_int_equal(dispatch_alert(storing, "disk", SEVERITY_CRITICAL).outcome, OUTCOME_QUEUED);
    come_back(storing);
    change(storing, "UPDATE delivery SET lease_steady_ms = 1");
    struct drainer *drainer = start_draining(storing);
    wait_for_hits(2);
    drainer_stop(drainer);
    assert_int_equal(ledger(storing, "shop", "rejected"), 1);
}

/* ---- it is away ---- */

static void a_recovery_goes_out_when_it_is_back(void **state)
{
    struct storing *storing = *state;
    struct drainer *drainer = start_draining(storing);
    go_down(storing);
    assert_int_equal(dispatch_alert(storing, "disk", SEVERITY_CRITICAL).outcome, OUTCOME_DELIVERED);
    assert_int_equal(dispatch_alert(storing, "disk", SEVERITY_OK).outcome, OUTCOME_QUEUED);
    assert_int_equal(stub_count(), 1);
    come_back(storing);
    wait_until_delivered(storing, 2);
    drainer_stop(drainer);
    assert_int_equal(stub_count(), 2);
    assert_string_equal(stub_hit(0).status, "Critical");
    assert_string_equal(stub_hit(1).status, "Ok");
    assert_int_equal(store_spooled(storing->store), 0);
}

static void what_flashduty_does_not_take_is_sent_from_the_spool(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    stub_then(STUB_FAILS);
    assert_int_equal(dispatch_alert(storing, "disk", SEVERITY_CRITICAL).outcome, OUTCOME_QUEUED);
    stub_then(STUB_ACCEPTS);
    struct drainer *drainer = start_draining(storing);
    wait_until_delivered(&spool, 1);
    come_back(storing);
    wait_until_delivered(storing, 1);
    drainer_stop(drainer);
    assert_int_equal(store_spooled(storing->store), 0);
}

static void without_its_spool_either_an_alert_goes_out_unrecorded(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    storing->is_broken = true;
    assert_int_equal(unlink(spool.path), 0);
    assert_int_equal(mkdir(spool.path, 0700), 0);
    struct dispatch dispatch = dispatch_alert(storing, "disk", SEVERITY_CRITICAL);
    assert_int_equal(dispatch.outcome, OUTCOME_DELIVERED);
    assert_true(dispatch.is_unrecorded);
    stub_then(STUB_FAILS);
    assert_int_equal(dispatch_alert(storing, "load", SEVERITY_CRITICAL).outcome, OUTCOME_REFUSED);
    assert_int_equal(rmdir(spool.path), 0);
}

/* ---- all of them ---- */

static bool answer(struct server *server, int connection, int n)
{
    if (goes_down)
        go_down(goes_down);
    goes_down = NULL;
    return stub_answer(server, connection, n);
}

static int start(void **state)
{
    struct error error = {0};
    (void)state;
    flashduty = server_start(answer);
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
    return set_up_lasting_spooled(state);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down_spooled)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_database_holds_is_promised_although_nobody_can_report_it),
        TEST(what_flashduty_takes_then_is_reported_later),
        TEST(what_is_rejected_then_is_tried_once_more),
        TEST(a_recovery_goes_out_when_it_is_back),
        TEST(what_flashduty_does_not_take_is_sent_from_the_spool),
        TEST(without_its_spool_either_an_alert_goes_out_unrecorded),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
