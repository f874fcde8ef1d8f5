/* While the database is out of reach: what a node takes into its spool, and how that is moved. */
#include "spooling.h"

#define NOON_S 1800000000
#define NOON_MS (NOON_S * SECOND)
#define MOVED_WITHIN_MS 8000

#define IN_BOTH_SPOOLED(test)                                                     \
    {#test " [lasting]", test, set_up_lasting_spooled, tear_down_spooled, NULL},  \
    {                                                                             \
#test " [passing]", test, set_up_passing_spooled, tear_down_spooled, NULL \
    }

#define IN_LASTING_SPOOLED(test) \
    cmocka_unit_test_setup_teardown(test, set_up_lasting_spooled, tear_down_spooled)

/* ---- what is taken ---- */

static void while_the_database_works_nothing_is_spooled(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    assert_true(id > 0);
    report(storing, id, TRY_ACCEPTED);
    assert_int_equal(store_spooled(storing->store), 0);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

static void a_trigger_is_taken_and_sent_at_once(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    struct store_event event = message_of("disk", "m1");
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_true(event.is_spooled);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
    assert_true(event.deliveries[0].id < 0);
    assert_int_equal(report(storing, event.deliveries[0].id, TRY_ACCEPTED).state,
                     DELIVERY_DELIVERED);
    assert_int_equal(ledger(&spool, "shop", "delivered"), 1);
    assert_int_equal(store_spooled(storing->store), 1);
}

static void what_is_not_accepted_waits_and_is_claimed(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    assert_int_equal(report(storing, id, TRY_NONE).state, DELIVERY_WAITING);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].delivery_id, id);
    report(storing, id, TRY_ACCEPTED);
    assert_int_equal(ledger(&spool, "shop", "delivered"), 1);
}

static void a_recovery_is_held_and_triggers_do_not_wait_for_it(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_ACCEPTED);
    int64_t held = receive_to_wait(storing, "disk", SEVERITY_OK);
    assert_int_equal(of_delivery(&spool, "after", -held), -1);
    expect_no_claim(storing);
    assert_true(receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL) < 0);
}

static void a_repeat_within_the_spool_is_known(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    struct store_event first = message_of("disk", "m1"), again = message_of("disk", "m1");
    assert_int_equal(take(storing, &first), OUTCOME_QUEUED);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
}

static void alerts_of_one_key_go_in_their_order(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_CRITICAL);
    expect_no_claim(storing);
    assert_true(report(storing, first, TRY_ACCEPTED).lets_go);
    expect_claim(storing, second);
}

static void each_node_keeps_the_rates_for_itself(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_minute = 2;
    store_set_limits(storing->store, &storing->limits);
    report(storing, receive_to_be_sent(storing, "disk-1", SEVERITY_CRITICAL), TRY_ACCEPTED);
    go_down(storing);
    receive_to_be_sent(storing, "disk-2", SEVERITY_CRITICAL);
    receive_to_be_sent(storing, "disk-3", SEVERITY_CRITICAL);
    receive_to_wait(storing, "disk-4", SEVERITY_CRITICAL);
    expect_no_claim(storing);
}

/* Only what waits fills it. */
static void what_was_delivered_does_not_fill_it(void **state)
{
    struct storing *storing = *state;
    char key[24];
    storing->limits.outbox_limit = 3;
    store_set_limits(storing->store, &storing->limits);
    go_down(storing);
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        report(storing, receive_to_be_sent(storing, key, SEVERITY_CRITICAL), TRY_ACCEPTED);
    }
    assert_int_equal(store_spooled(storing->store), 10);
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        receive_to_wait(storing, key, SEVERITY_OK);
    }
    struct store_event event = event_of("disk-9", SEVERITY_OK);
    assert_int_equal(take(storing, &event), OUTCOME_REFUSED);
    assert_int_equal(ledger(&spool, "shop", "refused"), 1);
}

static void what_is_known_to_be_down_is_not_waited_for(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    struct database *other = database_open(storing->path, DATABASE_OPEN, &error);
    assert_non_null(other);
    assert_true(database_begin(other, 1000));
    receive_to_be_sent(storing, "disk-1", SEVERITY_CRITICAL);
    int64_t since_ms = clock_monotonic_ms();
    receive_to_be_sent(storing, "disk-2", SEVERITY_CRITICAL);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, STORE_PATIENCE_MS / 2);
    assert_int_equal(store_spooled(storing->store), 2);
    database_rollback(other);
    database_close(other);
}

static void it_can_take_alarms(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    go_down(storing);
    assert_true(store_is_writable(storing->store, &error));
    error = (struct error){0};
    storing->is_broken = true;
    assert_int_equal(unlink(spool.path), 0);
    assert_int_equal(mkdir(spool.path, 0700), 0);
    assert_false(store_is_writable(storing->store, &error));
    assert_int_equal(rmdir(spool.path), 0);
}

/* ---- what is under way when it goes down ---- */

static void what_the_database_holds_waits_there(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    go_down(storing);
    struct store_try one = try_of(id, TRY_FAILED);
    assert_false(store_report(storing->store, &one, 1));
    assert_int_equal(one.state, DELIVERY_WAITING);
}

static void what_was_accepted_is_reported_later(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    go_down(storing);
    struct store_try one = try_of(id, TRY_ACCEPTED);
    assert_false(store_report(storing->store, &one, 1));
    assert_int_equal(one.state, DELIVERY_DELIVERED);
    come_back(storing);
    restart(storing);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

/* Whoever takes it over does not know whether it was answered 202: it counts as promised. */
static void what_was_taken_over_is_never_dropped_for_a_full_outbox(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    change(storing, "UPDATE delivery SET lease_steady_ms = 1");
    storing->limits.outbox_limit = 1;
    store_set_limits(storing->store, &storing->limits);
    expect_claim(storing, id);
    change(storing, "UPDATE volume SET kept = 7");
    assert_int_equal(report(storing, id, TRY_FAILED).state, DELIVERY_WAITING);
    change(storing, "UPDATE volume SET kept = 1");
}

/* ---- what is counted ---- */

static void what_is_only_counted_is_counted_in_the_spool(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_ACCEPTED);
    store_count(storing->store, "shop", OUTCOME_IGNORED);
    store_refuse(storing->store, "shop", REFUSAL_PAYLOAD);
    restart(storing);
    assert_int_equal(ledger(&spool, "shop", "ignored"), 1);
    assert_int_equal(ledger(&spool, "shop", "refused"), 1);
    assert_int_equal(ledger(&spool, "shop", "received"), 3);
}

/* ---- moving ---- */

/* Moves what can be moved, as the drainer does it: the database is tried again after a moment. */
static void move_all(struct storing *storing)
{
    int64_t until_ms = clock_monotonic_ms() + MOVED_WITHIN_MS;
    bool more = true, is_moved = false;
    while (more || !is_moved) {
        assert_true(clock_monotonic_ms() < until_ms);
        is_moved = store_move(storing->store, &more);
        if (!is_moved)
            pause_ms(50);
    }
}

static void come_back_and_move(struct storing *storing)
{
    come_back(storing);
    move_all(storing);
}

/* The spool holds nothing, and counts nothing. */
static void expect_empty_spool(struct storing *storing)
{
    assert_int_equal(store_spooled(storing->store), 0);
    assert_int_equal(number(&spool, "SELECT count(*) FROM ledger"), 0);
    assert_int_equal(number(&spool, "SELECT count(*) FROM counter"), 0);
    assert_int_equal(number(&spool, "SELECT count(*) FROM moving"), 0);
    assert_int_equal(number(&spool, "SELECT count(*) FROM moving_count"), 0);
    assert_int_equal(number(&spool, "SELECT count(*) FROM memory"), 0);
    assert_int_equal(number(&spool, "SELECT coalesce(sum(kept), 0) FROM volume"), 0);
}

static int64_t counted(const struct storing *storing, const char *name)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT coalesce(sum(value), 0) FROM counter WHERE name = '%s'",
             name);
    return number(storing, sql);
}

static void what_was_delivered_is_moved_as_that(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    struct store_event event = message_of("disk", "m1");
    event.time_s = clock_wall_ms() / 1000;
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    store_count(storing->store, "shop", OUTCOME_IGNORED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "received"), 2);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    assert_int_equal(ledger(storing, "shop", "ignored"), 1);
    assert_int_equal(number(storing, "SELECT status FROM try"), 200);
    assert_int_equal(number(storing, "SELECT tries FROM delivery WHERE state = 5"), 1);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 1);
    assert_int_equal(number(storing, "SELECT count(*) FROM memory_destination"), 1);
    assert_int_equal(counted(storing, "mapped"), 1);
    assert_int_equal(counted(storing, "verified"), 2);
    struct store_event again = message_of("disk", "m1");
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
    expect_no_claim(storing);
}

static void what_waits_is_moved_and_sent_from_there(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_WARNING), TRY_FAILED);
    receive_to_wait(storing, "disk", SEVERITY_CRITICAL);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "queued"), 2);
    assert_int_equal(number(storing, "SELECT tries FROM delivery ORDER BY id LIMIT 1"), 1);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].severity, SEVERITY_WARNING);
    assert_int_equal(claimed.claims[0].tries, 1);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].severity, SEVERITY_CRITICAL);
}

static void what_was_rejected_is_moved_as_that(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_WARNING), TRY_REJECTED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "rejected"), 1);
    assert_int_equal(number(storing, "SELECT state FROM delivery"), DELIVERY_REJECTED);
}

/* With its two destinations as they are. */
static void an_alert_is_moved_with_all_its_destinations(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    struct store_event event = message_of("disk", "m1");
    to(&event, to_both, 2);
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    report(storing, event.deliveries[1].id, TRY_FAILED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "queued"), 1);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery WHERE state = 5"), 1);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_string_equal(claimed.claims[0].flashduty_key, "key-b");
}

static void a_repeat_across_the_outage_is_counted_and_not_sent_again(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = message_of("disk", "m1");
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    go_down(storing);
    assert_int_equal(take(storing, &again), OUTCOME_QUEUED);
    report(storing, again.deliveries[0].id, TRY_NONE);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "received"), 2);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    assert_int_equal(ledger(storing, "shop", "duplicate"), 1);
    expect_no_claim(storing);
}

/* It was in the database, and the spool has delivered its repeat: that is enough. */
static void what_the_spool_delivered_is_not_sent_by_the_database(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = message_of("disk", "m1");
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_NONE);
    go_down(storing);
    take(storing, &again);
    report(storing, again.deliveries[0].id, TRY_ACCEPTED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    assert_int_equal(ledger(storing, "shop", "duplicate"), 1);
}

static void a_message_that_was_moved_is_known_in_the_next_outage(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = message_of("disk", "m1");
    go_down(storing);
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    come_back_and_move(storing);
    go_down(storing);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "duplicate"), 1);
}

/* ---- recoveries ---- */

static struct store_event recovery_of(const char *alert_key, int64_t time_s)
{
    struct store_event event = event_of(alert_key, SEVERITY_OK);
    event.time_s = time_s;
    return event;
}

static void a_held_recovery_goes_where_its_trigger_went(void **state)
{
    struct storing *storing = *state;
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    to(&trigger, to_b, 1);
    take(storing, &trigger);
    report(storing, trigger.deliveries[0].id, TRY_ACCEPTED);
    go_down(storing);
    struct store_event recovery = recovery_of("disk", 0);
    assert_int_equal(take(storing, &recovery), OUTCOME_QUEUED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_string_equal(claimed.claims[0].flashduty_key, "key-b");
    assert_int_equal(claimed.claims[0].severity, SEVERITY_OK);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    assert_int_equal(ledger(storing, "shop", "delivered"), 2);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 0);
}

static void a_held_recovery_without_a_trigger_goes_by_the_routes(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    struct store_event recovery = recovery_of("disk", 0);
    take(storing, &recovery);
    come_back_and_move(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_string_equal(claimed.claims[0].flashduty_key, "key-a");
}

static void a_held_recovery_waits_for_its_trigger_in_the_database(void **state)
{
    struct storing *storing = *state;
    int64_t trigger = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, trigger, TRY_NONE);
    go_down(storing);
    receive_to_wait(storing, "disk", SEVERITY_OK);
    come_back_and_move(storing);
    expect_claim(storing, trigger);
    assert_true(report(storing, trigger, TRY_ACCEPTED).lets_go);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].severity, SEVERITY_OK);
}

static void a_held_recovery_is_stale_when_the_database_knows_something_newer(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    go_down(storing);
    struct store_event recovery = recovery_of("disk", now_s - 100);
    take(storing, &recovery);
    come_back(storing);
    /* What another node wrote meanwhile. */
    struct storing other = *storing;
    other.store = open_store(storing);
    struct store_event newer = timed_event("disk", now_s);
    take(&other, &newer);
    report(&other, newer.deliveries[0].id, TRY_ACCEPTED);
    store_free(other.store);
    storing->arena = other.arena;
    move_all(storing);
    expect_empty_spool(storing);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "stale"), 1);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 1);
}

/* A later trigger went out at once: its end is not that of the one before it. */
static void a_held_recovery_is_stale_when_a_later_trigger_was_delivered(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_ACCEPTED);
    receive_to_wait(storing, "disk", SEVERITY_OK);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_ACCEPTED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "stale"), 1);
    assert_int_equal(ledger(storing, "shop", "delivered"), 2);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 1);
}

/* One that was not delivered yet waits behind it. */
static void a_held_recovery_goes_before_a_later_trigger_that_waits(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_ACCEPTED);
    receive_to_wait(storing, "disk", SEVERITY_OK);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_WARNING), TRY_NONE);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].severity, SEVERITY_OK);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].severity, SEVERITY_WARNING);
}

/* ---- triggers that are late ---- */

/* Flashduty was down as well, and another node's spool has brought the recovery meanwhile. */
static void a_waiting_trigger_older_than_a_recovery_is_stale(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    go_down(storing);
    struct store_event trigger = timed_event("disk", now_s - 100);
    trigger.message_id = "m1";
    take(storing, &trigger);
    struct store_try one = try_of(trigger.deliveries[0].id, TRY_FAILED);
    one.took_ms = 3;
    assert_true(store_report(storing->store, &one, 1));
    come_back(storing);
    /* Long enough for nobody to doubt what was first. */
    pause_ms(500);
    struct storing other = *storing;
    other.store = open_store(storing);
    struct store_event recovery = recovery_of("disk", now_s);
    take(&other, &recovery);
    report(&other, recovery.deliveries[0].id, TRY_ACCEPTED);
    store_free(other.store);
    storing->arena = other.arena;
    move_all(storing);
    expect_empty_spool(storing);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "stale"), 1);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 0);
    struct store_event again = message_of("disk", "m1");
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
}

static void a_delivered_trigger_older_than_a_recovery_opens_nothing(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    go_down(storing);
    struct store_event trigger = timed_event("disk", now_s - 100);
    take(storing, &trigger);
    report(storing, trigger.deliveries[0].id, TRY_ACCEPTED);
    come_back(storing);
    /* Long enough for nobody to doubt what was first. */
    pause_ms(500);
    struct storing other = *storing;
    other.store = open_store(storing);
    struct store_event recovery = recovery_of("disk", now_s);
    take(&other, &recovery);
    report(&other, recovery.deliveries[0].id, TRY_ACCEPTED);
    store_free(other.store);
    storing->arena = other.arena;
    move_all(storing);
    assert_int_equal(ledger(storing, "shop", "delivered"), 2);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 0);
    assert_int_equal(number(storing, "SELECT newest_s FROM memory"), now_s);
}

/* ---- what nodes have sent without knowing of one another ---- */

/* Another node, which has no spool. */
static struct storing other_node(const struct storing *storing)
{
    struct storing other = *storing;
    other.store = open_store(storing);
    return other;
}

static void end_other_node(struct storing *storing, const struct storing *other)
{
    store_free(other->store);
    storing->arena = other->arena;
}

/* A trigger of this time that the spool has sent, or is sending; the database is there again. */
static int64_t spool_trigger(struct storing *storing, int64_t time_s, bool is_sent)
{
    go_down(storing);
    struct store_event trigger = timed_event("disk", time_s);
    take(storing, &trigger);
    if (is_sent)
        report(storing, trigger.deliveries[0].id, TRY_ACCEPTED);
    come_back(storing);
    return trigger.deliveries[0].id;
}

/* A recovery of this time that another node begins to send. */
static int64_t send_recovery(struct storing *other, int64_t time_s)
{
    struct store_event recovery = recovery_of("disk", time_s);
    take(other, &recovery);
    assert_int_equal(recovery.deliveries[0].state, DELIVERY_SENDING);
    return recovery.deliveries[0].id;
}

static void a_trigger_that_an_older_recovery_has_closed_is_sent_again(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    spool_trigger(storing, now_s, true);
    struct storing other = other_node(storing);
    report(&other, send_recovery(&other, now_s - 100), TRY_ACCEPTED);
    end_other_node(storing, &other);
    move_all(storing);
    assert_int_equal(ledger(storing, "shop", "queued"), 1);
    assert_int_equal(number(storing, "SELECT is_promised FROM alert WHERE severity < 3"), 1);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_not_equal(claimed.claims[0].severity, SEVERITY_OK);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    assert_int_equal(ledger(storing, "shop", "delivered"), 2);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 1);
}

static void a_trigger_that_an_older_recovery_is_closing_follows_it(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    spool_trigger(storing, now_s, true);
    struct storing other = other_node(storing);
    int64_t recovery = send_recovery(&other, now_s - 100);
    move_all(storing);
    expect_no_claim(storing);
    report(&other, recovery, TRY_ACCEPTED);
    end_other_node(storing, &other);
    assert_int_equal(claim(storing).count, 1);
}

static void leave_recovery(struct storing *storing, int64_t time_s)
{
    struct storing other = other_node(storing);
    report(&other, send_recovery(&other, time_s), TRY_NONE);
    end_other_node(storing, &other);
}

static void an_older_recovery_that_waits_is_given_up(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    spool_trigger(storing, now_s, true);
    leave_recovery(storing, now_s - 100);
    /* As one that was moved. */
    change(storing, "UPDATE delivery SET lease_steady_ms = 0");
    move_all(storing);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    assert_int_equal(ledger(storing, "shop", "dropped"), 1);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 1);
}

/* Somebody had begun to send it, and nobody knows what became of that. */
static void an_older_recovery_that_may_have_been_sent_is_followed(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    spool_trigger(storing, now_s, true);
    leave_recovery(storing, now_s - 100);
    move_all(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_not_equal(claimed.claims[0].severity, SEVERITY_OK);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    assert_int_equal(ledger(storing, "shop", "dropped"), 1);
}

/* What Flashduty said of a spool's trigger, after it had taken the recovery from another node. */
static void answer_after_recovery(struct storing *storing, enum try_verdict verdict)
{
    int64_t now_s = clock_wall_ms() / 1000;
    int64_t trigger = spool_trigger(storing, now_s - 100, false);
    struct storing other = other_node(storing);
    report(&other, send_recovery(&other, now_s), TRY_ACCEPTED);
    end_other_node(storing, &other);
    pause_ms(50);
    report(storing, trigger, verdict);
    move_all(storing);
}

static void a_recovery_that_an_older_trigger_came_after_is_sent_again(void **state)
{
    struct storing *storing = *state;
    answer_after_recovery(storing, TRY_ACCEPTED);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].severity, SEVERITY_OK);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    assert_int_equal(ledger(storing, "shop", "delivered"), 2);
    assert_int_equal(number(storing, "SELECT is_open FROM memory"), 0);
}

/* What became of it nobody knows: it was sent, and its answer is missing; or who sent it died. */
static void a_recovery_is_sent_again_when_an_older_trigger_may_have_come_after_it(void **state)
{
    struct storing *storing = *state;
    for (int has_died = 0; has_died < 2; has_died++) {
        int64_t now_s = clock_wall_ms() / 1000;
        int64_t trigger = spool_trigger(storing, now_s - 100, false);
        struct storing other = other_node(storing);
        report(&other, send_recovery(&other, now_s + has_died), TRY_ACCEPTED);
        end_other_node(storing, &other);
        pause_ms(50);
        if (has_died)
            change(&spool, "UPDATE delivery SET lease_steady_ms = 1");
        else
            report(storing, trigger, TRY_FAILED);
        move_all(storing);
        expect_empty_spool(storing);
        assert_int_equal(ledger(storing, "shop", "stale"), 1 + has_died);
        struct claimed claimed = claim(storing);
        assert_int_equal(claimed.count, 1);
        assert_int_equal(claimed.claims[0].severity, SEVERITY_OK);
        report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
        expect_no_claim(storing);
    }
}

/* The database heard of it only after the trigger had come. */
static void a_recovery_whose_acceptance_was_noted_late_is_sent_again(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    int64_t trigger = spool_trigger(storing, now_s - 100, false);
    struct storing other = other_node(storing);
    int64_t recovery = send_recovery(&other, now_s);
    pause_ms(50);
    report(storing, trigger, TRY_ACCEPTED);
    pause_ms(50);
    report(&other, recovery, TRY_ACCEPTED);
    end_other_node(storing, &other);
    move_all(storing);
    expect_claim(storing, recovery);
}

static void a_recovery_that_is_being_sent_is_sent_once_more(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    int64_t trigger = spool_trigger(storing, now_s - 100, false);
    struct storing other = other_node(storing);
    int64_t recovery = send_recovery(&other, now_s);
    pause_ms(50);
    report(storing, trigger, TRY_ACCEPTED);
    move_all(storing);
    expect_no_claim(storing);
    assert_true(report(&other, recovery, TRY_ACCEPTED).lets_go);
    end_other_node(storing, &other);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].severity, SEVERITY_OK);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "delivered"), 2);
}

/* The database has had the same message, and its end, by another node. */
static void a_recovery_that_an_older_twin_came_after_is_sent_again(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    struct store_event trigger = timed_event("disk", now_s - 100), twin = trigger;
    trigger.message_id = twin.message_id = "m1";
    go_down(storing);
    take(storing, &trigger);
    come_back(storing);
    struct storing other = other_node(storing);
    take(&other, &twin);
    report(&other, twin.deliveries[0].id, TRY_ACCEPTED);
    int64_t recovery = send_recovery(&other, now_s);
    report(&other, recovery, TRY_ACCEPTED);
    end_other_node(storing, &other);
    pause_ms(50);
    report(storing, trigger.deliveries[0].id, TRY_ACCEPTED);
    move_all(storing);
    expect_claim(storing, recovery);
    assert_int_equal(ledger(storing, "shop", "duplicate"), 1);
}

/* What is newer than both waits: nothing waits for it and is waited for by it. */
static void what_is_newer_sets_it_right_by_itself(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    int64_t trigger = spool_trigger(storing, now_s - 100, false);
    struct storing other = other_node(storing);
    int64_t first = send_recovery(&other, now_s - 50);
    struct store_event newest = recovery_of("disk", now_s);
    take(&other, &newest);
    assert_int_equal(newest.deliveries[0].state, DELIVERY_WAITING);
    report(storing, trigger, TRY_ACCEPTED);
    move_all(storing);
    expect_no_claim(storing);
    report(&other, first, TRY_ACCEPTED);
    end_other_node(storing, &other);
    expect_claim(storing, newest.deliveries[0].id);
    report(storing, newest.deliveries[0].id, TRY_ACCEPTED);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "delivered"), 3);
}

/* The recovery that is newest came after all: one before it says nothing. */
static void a_recovery_that_came_last_is_not_sent_again(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    struct store_event first = recovery_of("disk", now_s - 200);
    take(storing, &first);
    report(storing, first.deliveries[0].id, TRY_ACCEPTED);
    spool_trigger(storing, now_s - 100, true);
    pause_ms(500);
    struct storing other = other_node(storing);
    report(&other, send_recovery(&other, now_s), TRY_ACCEPTED);
    end_other_node(storing, &other);
    move_all(storing);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "delivered"), 3);
}

/* What was refused has opened nothing. */
static void a_recovery_of_what_was_refused_is_not_sent_again(void **state)
{
    struct storing *storing = *state;
    answer_after_recovery(storing, TRY_REJECTED);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "rejected"), 1);
}

/* It was in the database all the time, behind the recovery: nobody had heard that it was taken. */
static void a_twin_that_an_older_recovery_is_closing_follows_it(void **state)
{
    struct storing *storing = *state;
    int64_t now_s = clock_wall_ms() / 1000;
    struct store_event trigger = timed_event("disk", now_s), twin = trigger;
    trigger.message_id = twin.message_id = "m1";
    go_down(storing);
    take(storing, &trigger);
    report(storing, trigger.deliveries[0].id, TRY_ACCEPTED);
    come_back(storing);
    struct storing other = other_node(storing);
    int64_t recovery = send_recovery(&other, now_s - 100);
    take(&other, &twin);
    assert_int_equal(twin.deliveries[0].state, DELIVERY_WAITING);
    move_all(storing);
    expect_no_claim(storing);
    report(&other, recovery, TRY_ACCEPTED);
    end_other_node(storing, &other);
    expect_claim(storing, twin.deliveries[0].id);
}

/* ---- while it is moved ---- */

/* An alert that the spool holds is followed there. */
static void what_comes_before_it_is_moved_follows_it(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_NONE);
    come_back(storing);
    /* The database works again, but nothing has been moved. */
    int64_t until_ms = clock_monotonic_ms() + MOVED_WITHIN_MS;
    int64_t id = -1;
    for (int i = 0; id < 0 && clock_monotonic_ms() < until_ms; i++) {
        char key[24];
        snprintf(key, sizeof key, "load-%d", i);
        id = receive_to_be_sent(storing, key, SEVERITY_CRITICAL);
        if (id < 0)
            pause_ms(100);
    }
    assert_true(id > 0);
    struct store_event events[] = {event_of("disk", SEVERITY_WARNING),
                                   event_of("other", SEVERITY_WARNING),
                                   event_of("disk", SEVERITY_OK)};
    assert_true(store_receive(storing->store, events, 3, LEASE_MS, &storing->arena));
    assert_true(events[0].is_spooled && events[2].is_spooled);
    assert_false(events[1].is_spooled);
    assert_int_equal(events[0].deliveries[0].state, DELIVERY_WAITING);
    assert_int_equal(events[1].deliveries[0].state, DELIVERY_SENDING);
    assert_true(events[1].deliveries[0].id > 0);
    struct store_try tries[] = {try_of(id, TRY_ACCEPTED),
                                try_of(events[1].deliveries[0].id, TRY_ACCEPTED)};
    assert_true(store_report(storing->store, tries, 2));
    change(&spool, "UPDATE delivery SET lease_steady_ms = 1 WHERE state = 1");
    move_all(storing);
    expect_empty_spool(storing);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery WHERE alert_key = 'disk'"), 3);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery WHERE alert_key = 'disk'"
                                     " AND after > 0"),
                     2);
}

static void what_is_being_sent_is_moved_when_that_is_over(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    int64_t behind = receive_to_wait(storing, "disk", SEVERITY_WARNING);
    report(storing, receive_to_be_sent(storing, "load", SEVERITY_WARNING), TRY_ACCEPTED);
    come_back_and_move(storing);
    assert_int_equal(store_spooled(storing->store), 2);
    assert_int_equal(ledger(storing, "shop", "received"), 1);
    report(storing, id, TRY_ACCEPTED);
    assert_int_equal(of_delivery(&spool, "after", -behind), 0);
    move_all(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "received"), 3);
    assert_int_equal(ledger(storing, "shop", "queued"), 1);
}

static void what_a_dead_process_was_sending_is_moved_to_be_sent(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    change(&spool, "UPDATE delivery SET lease_steady_ms = 1");
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(claim(storing).count, 1);
}

/* Whoever comes late with its report means what has moved, not what has its number now. */
static void a_report_of_what_has_moved_is_no_others(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    struct store_delivery first = receive(storing, "disk", SEVERITY_CRITICAL);
    change(&spool, "UPDATE delivery SET lease_steady_ms = 1");
    come_back_and_move(storing);
    go_down(storing);
    struct store_delivery other = receive(storing, "load", SEVERITY_CRITICAL);
    assert_int_equal(first.id, other.id);
    struct store_try late = try_of(first.id, TRY_ACCEPTED);
    late.lease = first.lease;
    assert_true(store_report(storing->store, &late, 1));
    assert_int_equal(late.state, DELIVERY_DELIVERED);
    assert_int_equal(of_delivery(&spool, "state", -other.id), DELIVERY_SENDING);
    late = try_of(first.id, TRY_FAILED);
    late.lease = first.lease;
    assert_true(store_report(storing->store, &late, 1));
    assert_int_equal(late.state, DELIVERY_WAITING);
    assert_int_equal(of_delivery(&spool, "state", -other.id), DELIVERY_SENDING);
}

static void a_full_outbox_drops_nothing_that_is_moved(void **state)
{
    struct storing *storing = *state;
    char key[24];
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        report(storing, receive_to_be_sent(storing, key, SEVERITY_CRITICAL), TRY_NONE);
    }
    go_down(storing);
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "load-%d", i);
        report(storing, receive_to_be_sent(storing, key, SEVERITY_CRITICAL), TRY_NONE);
    }
    storing->limits.outbox_limit = 3;
    store_set_limits(storing->store, &storing->limits);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "queued"), 6);
    assert_int_equal(claim(storing).count, 6);
}

/* More than a page, so that a page ends between two of one alert. */
static void many_are_moved_in_their_order(void **state)
{
    enum { ALERTS = 60, EACH = 3 };
    struct storing *storing = *state;
    char key[24];
    go_down(storing);
    for (int i = 0; i < ALERTS * EACH; i++) {
        snprintf(key, sizeof key, "disk-%d", i % ALERTS);
        struct store_event event = event_of(key, SEVERITY_WARNING);
        char id[24];
        snprintf(id, sizeof id, "m%d", i);
        event.message_id = id;
        take(storing, &event);
        if (i < ALERTS)
            report(storing, event.deliveries[0].id, TRY_NONE);
    }
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "queued"), ALERTS * EACH);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery WHERE after = 0"), ALERTS);
    assert_int_equal(
        number(storing, "SELECT count(*) FROM delivery AS d JOIN delivery AS e ON e.id = d.after"
                        " WHERE e.alert_key = d.alert_key AND e.id < d.id"),
        ALERTS * (EACH - 1));
}

/* More than a page has alerts, as each has two destinations. */
static void triggers_do_not_wait_for_recoveries_that_are_not_moved_after_all(void **state)
{
    enum { ALERTS = 30 };
    struct storing *storing = *state;
    struct error error = {0};
    char key[24];
    bool more;
    go_down(storing);
    for (int i = 0; i < ALERTS; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        struct store_event event = event_of(key, SEVERITY_OK);
        to(&event, to_both, 2);
        assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    }
    come_back(storing);
    /* As a process that does not know yet that somebody else keeps the database busy. */
    restart(storing);
    struct database *other = database_open(storing->path, DATABASE_OPEN, &error);
    assert_non_null(other);
    assert_true(database_begin(other, 1000));
    assert_false(store_move(storing->store, &more));
    assert_true(number(&spool, "SELECT count(*) FROM moving") > 0);
    assert_int_equal(number(&spool, "SELECT count(*) FROM delivery WHERE after = -1"), 2 * ALERTS);
    for (int i = 0; i < ALERTS; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        receive_to_be_sent(storing, key, SEVERITY_CRITICAL);
    }
    database_rollback(other);
    database_close(other);
}

/* ---- crashes ---- */

/* Keeps the spool as it is before it is moved, and brings that back afterwards: as if the process
 * had died after the database had committed. */
static void keep_spool(const struct storing *storing, const char *script)
{
    char command[1024];
    snprintf(command, sizeof command, "cd %s && %s", storing->folder, script);
    assert_int_equal(system(command), 0);
}

static void die_before_it_is_removed(struct storing *storing)
{
    store_free(storing->store);
    storing->store = NULL;
    /* The tokens are there before anything is moved. */
    change(&spool, "INSERT INTO moving SELECT 0, id, 'token ' || id FROM alert WHERE true"
                   " ON CONFLICT (kind, id) DO NOTHING");
    keep_spool(storing, "rm -f kept.db && sqlite3 spool.db '.backup kept.db'");
    storing->store = open_store(storing);
    add_spool(storing);
    come_back_and_move(storing);
    store_free(storing->store);
    storing->store = NULL;
    keep_spool(storing, "rm -f spool.db-wal spool.db-shm && mv kept.db spool.db");
    storing->store = open_store(storing);
    add_spool(storing);
}

static void what_was_moved_before_a_crash_is_not_moved_again(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_ACCEPTED);
    receive_to_wait(storing, "disk", SEVERITY_OK);
    report(storing, receive_to_be_sent(storing, "load", SEVERITY_CRITICAL), TRY_NONE);
    die_before_it_is_removed(storing);
    assert_int_equal(store_spooled(storing->store), 3);
    move_all(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "received"), 3);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 3);
    assert_int_equal(claim(storing).count, 2);
}

/* The database went away again after it had committed, and what waits there was sent from here. */
static void what_was_sent_after_it_was_moved_is_not_sent_twice(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_NONE);
    die_before_it_is_removed(storing);
    go_down(storing);
    expect_claim(storing, id);
    report(storing, id, TRY_ACCEPTED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    expect_no_claim(storing);
    assert_int_equal(ledger(storing, "shop", "received"), 1);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

static void what_is_counted_is_moved_once(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    store_count(storing->store, "shop", OUTCOME_IGNORED);
    restart(storing);
    change(&spool, "INSERT INTO moving_count SELECT 0, place, integration, '', count FROM ledger");
    change(&spool, "DELETE FROM ledger");
    change(&spool, "INSERT INTO moving VALUES (2, 0, 'counts')");
    change(&spool, "DELETE FROM counter");
    die_before_it_is_removed(storing);
    move_all(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "ignored"), 1);
    assert_int_equal(ledger(storing, "shop", "received"), 1);
}

/* ---- pass-through ---- */

static struct store_event anyones(const char *message_id)
{
    struct store_event event = message_of("disk", message_id);
    event.scope = "key:0123";
    event.integration = "(pass-through)";
    event.needs_acceptance = true;
    return event;
}

static void a_key_that_nobody_knows_is_sent_without_a_record_first(void **state)
{
    struct storing *storing = *state;
    go_down(storing);
    struct store_event event = anyones("m1"), next = anyones("m2");
    assert_true(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_true(event.is_unknown);
    assert_int_equal(store_spooled(storing->store), 0);
    struct store_try accepted = try_of(0, TRY_ACCEPTED);
    assert_true(store_accept(storing->store, &event, &accepted));
    assert_int_equal(store_spooled(storing->store), 1);
    assert_int_equal(take(storing, &next), OUTCOME_QUEUED);
    assert_false(next.is_unknown);
    report(storing, next.deliveries[0].id, TRY_FAILED);
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(number(storing, "SELECT kept FROM volume WHERE scope = 'key:0123'"), 2);
    assert_true(number(storing, "SELECT accepted_ms FROM destination") > 0);
    assert_int_equal(ledger(storing, "(pass-through)", "received"), 2);
    struct store_event known = anyones("m3");
    assert_int_equal(take(storing, &known), OUTCOME_QUEUED);
    assert_false(known.is_unknown);
}

/* What the database knows of a key is told to the spool while there is time. */
static void a_key_that_the_database_knows_is_known_in_the_spool(void **state)
{
    struct storing *storing = *state;
    struct store_event first = anyones("m1"), second = anyones("m2"), third = anyones("m3");
    assert_true(store_receive(storing->store, &first, 1, LEASE_MS, &storing->arena));
    assert_true(first.is_unknown);
    struct store_try accepted = try_of(0, TRY_ACCEPTED);
    assert_true(store_accept(storing->store, &first, &accepted));
    assert_int_equal(take(storing, &second), OUTCOME_QUEUED);
    report(storing, second.deliveries[0].id, TRY_ACCEPTED);
    go_down(storing);
    third.severity = SEVERITY_OK;
    assert_int_equal(take(storing, &third), OUTCOME_QUEUED);
    assert_false(third.is_unknown);
    assert_int_equal(third.deliveries[0].state, DELIVERY_WAITING);
}

/* ---- subscriptions ---- */

static struct store_confirmation confirmation_of(const char *topic, const char *url)
{
    return (struct store_confirmation){.scope = "shop",
                                       .integration = "shop",
                                       .request_id = "request",
                                       .topic = topic,
                                       .url = url,
                                       .host = "smn",
                                       .reason = "no answer"};
}

static void a_subscription_is_kept_and_moved(void **state)
{
    struct storing *storing = *state;
    const struct store_confirmation first = confirmation_of("urn:1", "https://smn/1"),
                                    second = confirmation_of("urn:2", "https://smn/2");
    assert_true(store_keep_confirmation(storing->store, &first));
    go_down(storing);
    const struct store_confirmation newer = confirmation_of("urn:1", "https://smn/newer");
    assert_true(store_keep_confirmation(storing->store, &newer));
    assert_true(store_keep_confirmation(storing->store, &second));
    assert_true(store_unsubscribed(storing->store, "shop", "urn:3"));
    change(&spool, "UPDATE confirmation SET due_ms = 1");
    struct store_confirmation due;
    assert_true(store_claim_confirmation(storing->store, &due, &storing->arena));
    assert_true(due.id < 0);
    assert_true(store_report_confirmation(storing->store, &due, false, "still none"));
    come_back_and_move(storing);
    expect_empty_spool(storing);
    assert_int_equal(ledger(storing, "shop", "confirming"), 2);
    assert_int_equal(ledger(storing, "shop", "duplicate"), 1);
    assert_int_equal(ledger(storing, "shop", "ignored"), 1);
    assert_int_equal(
        number(storing, "SELECT count(*) FROM confirmation WHERE url = 'https://smn/newer'"), 1);
    assert_int_equal(number(storing, "SELECT state FROM subscription WHERE topic = 'urn:3'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH_SPOOLED(while_the_database_works_nothing_is_spooled),
        IN_BOTH_SPOOLED(a_trigger_is_taken_and_sent_at_once),
        IN_BOTH_SPOOLED(what_is_not_accepted_waits_and_is_claimed),
        IN_LASTING_SPOOLED(a_recovery_is_held_and_triggers_do_not_wait_for_it),
        IN_LASTING_SPOOLED(a_repeat_within_the_spool_is_known),
        IN_LASTING_SPOOLED(alerts_of_one_key_go_in_their_order),
        IN_LASTING_SPOOLED(each_node_keeps_the_rates_for_itself),
        IN_LASTING_SPOOLED(what_was_delivered_does_not_fill_it),
        IN_LASTING_SPOOLED(what_is_known_to_be_down_is_not_waited_for),
        IN_BOTH_SPOOLED(it_can_take_alarms),
        IN_BOTH_SPOOLED(what_the_database_holds_waits_there),
        IN_BOTH_SPOOLED(what_was_accepted_is_reported_later),
        IN_LASTING_SPOOLED(what_was_taken_over_is_never_dropped_for_a_full_outbox),
        IN_BOTH_SPOOLED(what_is_only_counted_is_counted_in_the_spool),
        IN_LASTING_SPOOLED(what_was_delivered_is_moved_as_that),
        IN_BOTH_SPOOLED(what_waits_is_moved_and_sent_from_there),
        IN_LASTING_SPOOLED(what_was_rejected_is_moved_as_that),
        IN_LASTING_SPOOLED(an_alert_is_moved_with_all_its_destinations),
        IN_LASTING_SPOOLED(a_repeat_across_the_outage_is_counted_and_not_sent_again),
        IN_LASTING_SPOOLED(what_the_spool_delivered_is_not_sent_by_the_database),
        IN_LASTING_SPOOLED(a_message_that_was_moved_is_known_in_the_next_outage),
        IN_LASTING_SPOOLED(a_held_recovery_goes_where_its_trigger_went),
        IN_LASTING_SPOOLED(a_held_recovery_without_a_trigger_goes_by_the_routes),
        IN_LASTING_SPOOLED(a_held_recovery_waits_for_its_trigger_in_the_database),
        IN_LASTING_SPOOLED(a_held_recovery_is_stale_when_the_database_knows_something_newer),
        IN_LASTING_SPOOLED(a_held_recovery_is_stale_when_a_later_trigger_was_delivered),
        IN_LASTING_SPOOLED(a_held_recovery_goes_before_a_later_trigger_that_waits),
        IN_LASTING_SPOOLED(a_waiting_trigger_older_than_a_recovery_is_stale),
        IN_LASTING_SPOOLED(a_delivered_trigger_older_than_a_recovery_opens_nothing),
        IN_LASTING_SPOOLED(a_trigger_that_an_older_recovery_has_closed_is_sent_again),
        IN_LASTING_SPOOLED(a_trigger_that_an_older_recovery_is_closing_follows_it),
        IN_LASTING_SPOOLED(an_older_recovery_that_waits_is_given_up),
        IN_LASTING_SPOOLED(an_older_recovery_that_may_have_been_sent_is_followed),
        IN_LASTING_SPOOLED(a_recovery_that_an_older_trigger_came_after_is_sent_again),
        IN_LASTING_SPOOLED(a_recovery_is_sent_again_when_an_older_trigger_may_have_come_after_it),
        IN_LASTING_SPOOLED(a_recovery_whose_acceptance_was_noted_late_is_sent_again),
        IN_LASTING_SPOOLED(a_recovery_that_is_being_sent_is_sent_once_more),
        IN_LASTING_SPOOLED(a_recovery_that_an_older_twin_came_after_is_sent_again),
        IN_LASTING_SPOOLED(what_is_newer_sets_it_right_by_itself),
        IN_LASTING_SPOOLED(a_recovery_that_came_last_is_not_sent_again),
        IN_LASTING_SPOOLED(a_recovery_of_what_was_refused_is_not_sent_again),
        IN_LASTING_SPOOLED(a_twin_that_an_older_recovery_is_closing_follows_it),
        IN_BOTH_SPOOLED(what_comes_before_it_is_moved_follows_it),
        IN_LASTING_SPOOLED(what_is_being_sent_is_moved_when_that_is_over),
        IN_LASTING_SPOOLED(what_a_dead_process_was_sending_is_moved_to_be_sent),
        IN_LASTING_SPOOLED(a_report_of_what_has_moved_is_no_others),
        IN_LASTING_SPOOLED(a_full_outbox_drops_nothing_that_is_moved),
        IN_LASTING_SPOOLED(many_are_moved_in_their_order),
        IN_LASTING_SPOOLED(triggers_do_not_wait_for_recoveries_that_are_not_moved_after_all),
        IN_BOTH_SPOOLED(what_was_moved_before_a_crash_is_not_moved_again),
        IN_LASTING_SPOOLED(what_was_sent_after_it_was_moved_is_not_sent_twice),
        IN_LASTING_SPOOLED(what_is_counted_is_moved_once),
        IN_BOTH_SPOOLED(a_key_that_nobody_knows_is_sent_without_a_record_first),
        IN_BOTH_SPOOLED(a_key_that_the_database_knows_is_known_in_the_spool),
        IN_BOTH_SPOOLED(a_subscription_is_kept_and_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
