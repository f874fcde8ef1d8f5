/* An alert within its request: recorded, sent, tried again, kept. */
#include "flashduty_stub.h"

#include "storing.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "delivery/delivery.h"

/* Long enough for slow machines and sanitizers, where time is not what is tested. */
#define DEADLINE_MS 4000

static struct server *flashduty;
static struct transport *transport;
static char url[64];

struct sent {
    struct alert alert;
    struct dispatch dispatch;
};

static struct sent sent_of(const char *alert_key, enum severity severity)
{
    return (struct sent){
        .alert = {.severity = severity, .key = alert_key, .title = "title", .description = "d"},
        .dispatch = {.scope = "shop",
                     .integration = "shop",
                     .request_id = "request",
                     .message_id = "",
                     .destinations = to_a,
                     .destination_count = 1,
                     .routes = to_both,
                     .route_count = 2},
    };
}

/* Dispatches alerts, and returns how long that took. */
static int64_t dispatch_all(struct storing *storing, struct store *store, struct sent *sent,
                            size_t count, int64_t deadline_ms)
{
    const struct delivery_means means = {transport, store, url};
    static struct dispatch dispatches[256];
    int64_t since_ms = clock_monotonic_ms();
    for (size_t i = 0; i < count; i++) {
        dispatches[i] = sent[i].dispatch;
        dispatches[i].alert = &sent[i].alert;
    }
    delivery_dispatch(&means, dispatches, count, since_ms + deadline_ms, &storing->arena);
    for (size_t i = 0; i < count; i++)
        sent[i].dispatch = dispatches[i];
    return clock_monotonic_ms() - since_ms;
}

static enum outcome dispatch_one(struct storing *storing, struct sent *sent)
{
    dispatch_all(storing, storing->store, sent, 1, DEADLINE_MS);
    return sent->dispatch.outcome;
}

static enum outcome dispatch_alert(struct storing *storing, const char *alert_key)
{
    struct sent sent = sent_of(alert_key, SEVERITY_CRITICAL);
    return dispatch_one(storing, &sent);
}

/* ---- without a store ---- */

static void without_a_store_an_alert_goes_out(void **state)
{
    struct storing *storing = *state;
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    sent.dispatch.destinations = to_both;
    sent.dispatch.destination_count = 2;
    dispatch_all(storing, NULL, &sent, 1, DEADLINE_MS);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_DELIVERED);
    assert_false(sent.dispatch.is_unrecorded);
    assert_int_equal(sent.dispatch.delivery_count, 2);
    assert_int_equal(stub_count(), 2);
    assert_string_equal(stub_hit(0).alert_key, "disk");
}

static void without_a_store_what_no_route_wants_is_unrouted(void **state)
{
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    sent.dispatch.destination_count = 0;
    dispatch_all(*state, NULL, &sent, 1, DEADLINE_MS);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_UNROUTED);
}

static void without_a_store_what_fails_is_refused_at_the_deadline(void **state)
{
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    stub_then(STUB_FAILS);
    int64_t took_ms = dispatch_all(*state, NULL, &sent, 1, 900);
    assert_in_range(took_ms, 500, 1300);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_REFUSED);
    assert_int_equal(sent.dispatch.deliveries[0].answer.verdict, VERDICT_RETRY);
    assert_in_range(stub_count(), 2, 4);
}

static void without_a_store_what_is_rejected_is_rejected(void **state)
{
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    stub_then(STUB_REJECTS);
    dispatch_all(*state, NULL, &sent, 1, DEADLINE_MS);
    assert_int_equal(sent.dispatch.deliveries[0].answer.verdict, VERDICT_REJECTED);
    assert_string_equal(sent.dispatch.deliveries[0].answer.message, "told so");
    assert_int_equal(stub_count(), 1);
}

static void without_a_store_alerts_of_one_key_go_in_their_order(void **state)
{
    struct sent sent[] = {sent_of("disk", SEVERITY_CRITICAL), sent_of("load", SEVERITY_INFO),
                          sent_of("disk", SEVERITY_OK)};
    stub_first(STUB_FAILS, STUB_ACCEPTS);
    dispatch_all(*state, NULL, sent, 3, DEADLINE_MS);
    bool is_recovered = false;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sent[i].dispatch.outcome, OUTCOME_DELIVERED);
    for (size_t i = 0; i < stub_count(); i++) {
        struct hit hit = stub_hit(i);
        if (!strcmp(hit.alert_key, "disk")) {
            assert_false(is_recovered);
            is_recovered = !strcmp(hit.status, "Ok");
        }
    }
    assert_true(is_recovered);
}

static void without_a_store_nothing_follows_what_was_not_accepted(void **state)
{
    struct sent sent[] = {sent_of("disk", SEVERITY_CRITICAL), sent_of("disk", SEVERITY_OK)};
    stub_then(STUB_FAILS);
    dispatch_all(*state, NULL, sent, 2, 800);
    assert_int_equal(sent[0].dispatch.outcome, OUTCOME_REFUSED);
    assert_int_equal(sent[1].dispatch.outcome, OUTCOME_REFUSED);
    for (size_t i = 0; i < stub_count(); i++)
        assert_string_equal(stub_hit(i).status, "Critical");
}

/* ---- with a store ---- */

static void what_is_accepted_is_delivered_and_recorded(void **state)
{
    assert_int_equal(dispatch_alert(*state, "disk"), OUTCOME_DELIVERED);
    assert_int_equal(ledger(*state, "shop", "delivered"), 1);
    assert_int_equal(number(*state, "SELECT status FROM try"), 200);
    assert_string_equal(stub_hit(0).flashduty_key, "key-a");
}

static void what_fails_once_is_tried_again_and_delivered(void **state)
{
    struct storing *storing = *state;
    stub_first(STUB_FAILS, STUB_ACCEPTS);
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    assert_int_equal(dispatch_one(storing, &sent), OUTCOME_DELIVERED);
    assert_int_equal(sent.dispatch.deliveries[0].tries, 2);
    assert_int_equal(number(storing, "SELECT count(*) FROM try"), 2);
    assert_in_range(stub_hit(1).at_ms - stub_hit(0).at_ms, 200, 1000);
}

static void what_keeps_failing_waits_in_the_outbox(void **state)
{
    struct storing *storing = *state;
    stub_then(STUB_FAILS);
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    int64_t took_ms = dispatch_all(storing, storing->store, &sent, 1, 1000);
    assert_in_range(took_ms, 0, 1400);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_QUEUED);
    assert_int_equal(sent.dispatch.deliveries[0].state, DELIVERY_WAITING);
    assert_int_equal(number(storing, "SELECT count(*) FROM try"), (int64_t)stub_count());
    assert_int_equal(of_delivery(storing, "state", sent.dispatch.deliveries[0].id), 0);
}

static void what_hangs_waits_in_the_outbox_at_the_deadline(void **state)
{
    struct storing *storing = *state;
    stub_then(STUB_HANGS);
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    int64_t took_ms = dispatch_all(storing, storing->store, &sent, 1, 700);
    assert_in_range(took_ms, 500, 1000);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_QUEUED);
    assert_int_equal(number(storing, "SELECT count(*) FROM try WHERE verdict = 2"), 1);
}

static void what_is_rejected_is_kept_as_that(void **state)
{
    stub_then(STUB_REJECTS);
    assert_int_equal(dispatch_alert(*state, "disk"), OUTCOME_REJECTED);
    assert_int_equal(ledger(*state, "shop", "rejected"), 1);
    assert_int_equal(stub_count(), 1);
}

static void a_repeat_is_not_sent(void **state)
{
    struct storing *storing = *state;
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    sent.dispatch.message_id = "m1";
    struct sent again = sent;
    assert_int_equal(dispatch_one(storing, &sent), OUTCOME_DELIVERED);
    assert_int_equal(dispatch_one(storing, &again), OUTCOME_DUPLICATE);
    assert_int_equal(stub_count(), 1);
}

static void while_its_destination_fails_an_alert_is_kept_at_once(void **state)
{
    struct storing *storing = *state;
    for (int i = 0; i < FAILURES_MAX; i++) {
        char key[24];
        snprintf(key, sizeof key, "disk-%d", i);
        report(storing, receive(storing, key, SEVERITY_WARNING).id, TRY_FAILED);
    }
    int64_t since_ms = clock_monotonic_ms();
    assert_int_equal(dispatch_alert(storing, "load"), OUTCOME_QUEUED);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, 1000);
    assert_int_equal(stub_count(), 0);
}

static void a_retry_after_holds_what_comes_later(void **state)
{
    struct storing *storing = *state;
    stub_first(STUB_HOLDS_OFF, STUB_ACCEPTS);
    int64_t since_ms = clock_monotonic_ms();
    assert_int_equal(dispatch_alert(storing, "disk"), OUTCOME_QUEUED);
    assert_int_equal(dispatch_alert(storing, "load"), OUTCOME_QUEUED);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, 1500);
    assert_int_equal(stub_count(), 1);
    expect_no_claim(storing);
}

static void a_recovery_in_the_same_request_follows_by_the_outbox(void **state)
{
    struct storing *storing = *state;
    struct sent sent[] = {sent_of("disk", SEVERITY_CRITICAL), sent_of("disk", SEVERITY_OK)};
    dispatch_all(storing, storing->store, sent, 2, DEADLINE_MS);
    assert_int_equal(sent[0].dispatch.outcome, OUTCOME_DELIVERED);
    assert_true(sent[0].dispatch.lets_go);
    assert_int_equal(sent[1].dispatch.outcome, OUTCOME_QUEUED);
    assert_int_equal(stub_count(), 1);
    expect_claim(storing, sent[1].dispatch.deliveries[0].id);
}

static void of_many_alerts_only_some_are_under_way_at_once(void **state)
{
    enum { MANY = 100 };
    struct storing *storing = *state;
    static struct sent sent[MANY];
    static char keys[MANY][16];
    size_t delivered = 0, queued = 0;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "disk-%zu", i);
        sent[i] = sent_of(keys[i], SEVERITY_WARNING);
    }
    dispatch_all(storing, storing->store, sent, MANY, 2 * DEADLINE_MS);
    for (size_t i = 0; i < MANY; i++) {
        delivered += sent[i].dispatch.outcome == OUTCOME_DELIVERED;
        queued += sent[i].dispatch.outcome == OUTCOME_QUEUED;
    }
    assert_int_equal(delivered, SENDS_OF_A_REQUEST_MAX);
    assert_int_equal(queued, MANY - SENDS_OF_A_REQUEST_MAX);
    assert_in_range(stub.most_under_way, 1, 16);
}

static void two_destinations_go_their_own_ways(void **state)
{
    struct storing *storing = *state;
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    sent.dispatch.destinations = to_both;
    sent.dispatch.destination_count = 2;
    snprintf(stub.only, sizeof stub.only, "key-b");
    stub_then(STUB_HANGS);
    dispatch_all(storing, storing->store, &sent, 1, 700);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_QUEUED);
    assert_int_equal(sent.dispatch.deliveries[0].state, DELIVERY_DELIVERED);
    assert_int_equal(sent.dispatch.deliveries[1].state, DELIVERY_WAITING);
}

static void in_a_full_outbox_what_fails_is_refused(void **state)
{
    struct storing *storing = *state;
    storing->limits.outbox_limit = 1;
    reopen(storing);
    report(storing, receive_to_be_sent(storing, "full", SEVERITY_CRITICAL), TRY_NONE);
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    sent.dispatch.message_id = "m1";
    struct sent again = sent;
    stub_then(STUB_FAILS);
    dispatch_all(storing, storing->store, &sent, 1, 600);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_REFUSED);
    stub_then(STUB_ACCEPTS);
    mend_destination(storing);
    assert_int_equal(dispatch_one(storing, &again), OUTCOME_DELIVERED);
}

/* ---- a store that cannot be used ---- */

static void without_its_store_an_alert_goes_out_unrecorded(void **state)
{
    struct storing *storing = *state;
    only_of_a_file(storing);
    assert_int_equal(mkdir(storing->path, 0700), 0);
    storing->is_broken = true;
    struct sent sent = sent_of("disk", SEVERITY_CRITICAL);
    assert_int_equal(dispatch_one(storing, &sent), OUTCOME_DELIVERED);
    assert_true(sent.dispatch.is_unrecorded);
    stub_then(STUB_FAILS);
    sent = sent_of("disk", SEVERITY_CRITICAL);
    dispatch_all(storing, storing->store, &sent, 1, 600);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_REFUSED);
}

static void behind_a_lock_nothing_overtakes_what_waits(void **state)
{
    struct storing *storing = *state;
    only_of_a_file(storing);
    sqlite3 *handle = NULL;
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_NONE);
    assert_int_equal(sqlite3_open(storing->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct sent sent[] = {sent_of("disk", SEVERITY_OK), sent_of("load", SEVERITY_CRITICAL)};
    dispatch_all(storing, storing->store, sent, 2, DEADLINE_MS);
    assert_int_equal(sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    assert_int_equal(sent[0].dispatch.outcome, OUTCOME_REFUSED);
    assert_true(*sent[0].dispatch.reason);
    assert_int_equal(sent[1].dispatch.outcome, OUTCOME_DELIVERED);
    assert_true(sent[1].dispatch.is_unrecorded);
    assert_int_equal(stub_count(), 1);
    assert_string_equal(stub_hit(0).alert_key, "load");
}

/* ---- pass-through ---- */

static struct sent passed_of(const char *alert_key)
{
    struct sent sent = sent_of(alert_key, SEVERITY_CRITICAL);
    sent.dispatch.scope = "digest";
    sent.dispatch.integration = "(pass-through)";
    sent.dispatch.needs_acceptance = true;
    return sent;
}

static void of_an_unknown_key_an_acceptance_is_remembered(void **state)
{
    struct storing *storing = *state;
    struct sent sent = passed_of("disk");
    assert_int_equal(dispatch_one(storing, &sent), OUTCOME_DELIVERED);
    assert_false(sent.dispatch.is_unrecorded);
    assert_int_equal(ledger(storing, "(pass-through)", "delivered"), 1);
    stub_then(STUB_FAILS);
    struct sent later = passed_of("load");
    dispatch_all(storing, storing->store, &later, 1, 600);
    assert_int_equal(later.dispatch.outcome, OUTCOME_QUEUED);
}

static void of_an_unknown_key_nothing_is_kept_that_fails(void **state)
{
    struct storing *storing = *state;
    stub_then(STUB_FAILS);
    struct sent sent = passed_of("disk");
    dispatch_all(storing, storing->store, &sent, 1, 600);
    assert_int_equal(sent.dispatch.outcome, OUTCOME_REFUSED);
    stub_then(STUB_REJECTS);
    struct sent wrong = passed_of("disk");
    dispatch_one(storing, &wrong);
    assert_int_equal(wrong.dispatch.deliveries[0].answer.verdict, VERDICT_REJECTED);
    reopen(storing);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 0);
    assert_int_equal(number(storing, "SELECT count(*) FROM destination"), 0);
    assert_int_equal(ledger(storing, "(pass-through)", "received"), 2);
    assert_int_equal(ledger(storing, "(pass-through)", "refused"), 2);
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
#define TEST_BOTH(test)                                               \
    TEST(test),                                                       \
    {                                                                 \
#test " [passing]", test, set_up_short, tear_down_store, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_store_an_alert_goes_out),
        TEST(without_a_store_what_no_route_wants_is_unrouted),
        TEST(without_a_store_what_fails_is_refused_at_the_deadline),
        TEST(without_a_store_what_is_rejected_is_rejected),
        TEST(without_a_store_alerts_of_one_key_go_in_their_order),
        TEST(without_a_store_nothing_follows_what_was_not_accepted),
        TEST_BOTH(what_is_accepted_is_delivered_and_recorded),
        TEST_BOTH(what_fails_once_is_tried_again_and_delivered),
        TEST_BOTH(what_keeps_failing_waits_in_the_outbox),
        TEST_BOTH(what_hangs_waits_in_the_outbox_at_the_deadline),
        TEST_BOTH(what_is_rejected_is_kept_as_that),
        TEST_BOTH(a_repeat_is_not_sent),
        TEST(while_its_destination_fails_an_alert_is_kept_at_once),
        TEST(a_retry_after_holds_what_comes_later),
        TEST_BOTH(a_recovery_in_the_same_request_follows_by_the_outbox),
        TEST(of_many_alerts_only_some_are_under_way_at_once),
        TEST(two_destinations_go_their_own_ways),
        TEST_BOTH(in_a_full_outbox_what_fails_is_refused),
        TEST_BOTH(without_its_store_an_alert_goes_out_unrecorded),
        TEST_BOTH(behind_a_lock_nothing_overtakes_what_waits),
        TEST_BOTH(of_an_unknown_key_an_acceptance_is_remembered),
        TEST_BOTH(of_an_unknown_key_nothing_is_kept_that_fails),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
