/* How much a store keeps: the limit of the outbox, pass-through's share, and unknown keys. */
#include "storing.h"

#define NOON_MS (1800000000 * SECOND)

/* A store that keeps so many deliveries. */
static struct storing *limited(void **state, long outbox_limit)
{
    struct storing *storing = *state;
    storing->limits.outbox_limit = outbox_limit;
    reopen(storing);
    return storing;
}

static int64_t leave_waiting(struct storing *storing, const char *alert_key)
{
    int64_t id = receive(storing, alert_key, SEVERITY_WARNING).id;
    if (state_of(storing, id) == DELIVERY_SENDING)
        assert_int_equal(report(storing, id, TRY_NONE).state, DELIVERY_WAITING);
    return id;
}

static void fill(struct storing *storing, int count)
{
    char key[24];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "full-%d", i);
        leave_waiting(storing, key);
    }
}

/* ---- outbox_limit ---- */

static void what_is_over_goes_first(void **state)
{
    struct storing *storing = limited(state, 4);
    clock_set_wall_ms(NOON_MS);
    int64_t oldest = receive_to_be_sent(storing, "one", SEVERITY_WARNING);
    int64_t newer = receive_to_be_sent(storing, "two", SEVERITY_WARNING);
    clock_set_wall_ms(NOON_MS + 1);
    report(storing, oldest, TRY_REJECTED);
    clock_set_wall_ms(NOON_MS + 2);
    report(storing, newer, TRY_ACCEPTED);
    fill(storing, 2);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 4);
    leave_waiting(storing, "three");
    assert_int_equal(state_of(storing, oldest), DELIVERY_REFUSED);
    assert_int_equal(state_of(storing, newer), DELIVERY_DELIVERED);
    leave_waiting(storing, "four");
    assert_int_equal(state_of(storing, newer), DELIVERY_REFUSED);
    assert_int_equal(ledger(storing, "shop", "rejected"), 1);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    assert_int_equal(ledger(storing, "shop", "queued"), 4);
}

static void in_a_full_outbox_what_can_be_sent_is_recorded(void **state)
{
    struct storing *storing = limited(state, 3);
    fill(storing, 3);
    struct store_event event = message_of("disk", "m1"), again = event;
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
    assert_int_equal(report(storing, event.deliveries[0].id, TRY_ACCEPTED).state,
                     DELIVERY_DELIVERED);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

static void in_a_full_outbox_what_fails_is_refused(void **state)
{
    struct storing *storing = limited(state, 3);
    fill(storing, 3);
    struct store_event event = message_of("disk", "m1"), again = event;
    take(storing, &event);
    int64_t id = event.deliveries[0].id;
    assert_int_equal(report(storing, id, TRY_FAILED).state, DELIVERY_REFUSED);
    assert_int_equal(ledger(storing, "shop", "refused"), 1);
    assert_int_equal(ledger(storing, "shop", "queued"), 3);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 3);
    /* The sender tries again, and it is no repeat. */
    mend_destination(storing);
    assert_int_equal(take(storing, &again), OUTCOME_QUEUED);
}

static void in_a_full_outbox_what_would_have_to_wait_is_refused(void **state)
{
    struct storing *storing = limited(state, 3);
    fill(storing, 2);
    int64_t sending = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    struct store_event second = message_of("disk", "m1"), again = second;
    assert_int_equal(take(storing, &second), OUTCOME_REFUSED);
    assert_int_equal(second.delivery_count, 0);
    assert_true(*second.reason);
    assert_int_equal(ledger(storing, "shop", "refused"), 1);
    report(storing, sending, TRY_ACCEPTED);
    assert_int_equal(take(storing, &again), OUTCOME_QUEUED);
}

static void what_was_promised_stays(void **state)
{
    struct storing *storing = limited(state, 3);
    /* A repeat of it was answered 2xx while it was being sent. */
    struct store_event event = message_of("disk", "m1"), again = event;
    take(storing, &event);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
    fill(storing, 2);
    struct store_event over = event_of("over", SEVERITY_WARNING);
    take(storing, &over);
    assert_int_equal(report(storing, event.deliveries[0].id, TRY_FAILED).state, DELIVERY_WAITING);
    assert_int_equal(report(storing, over.deliveries[0].id, TRY_FAILED).state, DELIVERY_REFUSED);
    /* What has waited before stays, too. */
    mend_destination(storing);
    make_all_due(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 3);
    for (size_t i = 0; i < claimed.count; i++)
        assert_int_equal(report(storing, claimed.claims[i].delivery_id, TRY_FAILED).state,
                         DELIVERY_WAITING);
}

static void a_refused_event_is_not_what_is_newest(void **state)
{
    struct storing *storing = limited(state, 3);
    clock_set_wall_ms(NOON_MS);
    fill(storing, 3);
    struct store_event event = timed_event("disk", NOON_MS / SECOND);
    struct store_event earlier = timed_event("disk", NOON_MS / SECOND - 5);
    take(storing, &event);
    assert_int_equal(report(storing, event.deliveries[0].id, TRY_FAILED).state, DELIVERY_REFUSED);
    mend_destination(storing);
    assert_int_equal(take(storing, &earlier), OUTCOME_QUEUED);
}

static void a_refused_recovery_leaves_its_alert_open(void **state)
{
    struct storing *storing = limited(state, 4);
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL), again = trigger;
    struct store_event recovery = event_of("disk", SEVERITY_OK), last = recovery;
    take(storing, &trigger);
    report(storing, trigger.deliveries[0].id, TRY_ACCEPTED);
    fill(storing, 4);
    take(storing, &recovery);
    assert_int_equal(report(storing, recovery.deliveries[0].id, TRY_FAILED).state,
                     DELIVERY_REFUSED);
    mend_destination(storing);
    /* Flashduty still holds it open at a, so a later recovery has to go there. */
    to(&again, to_b, 1);
    take(storing, &again);
    report(storing, again.deliveries[0].id, TRY_ACCEPTED);
    take(storing, &last);
    assert_int_equal(last.delivery_count, 2);
}

static void what_waits_behind_a_refused_event_is_let_go(void **state)
{
    struct storing *storing = limited(state, 5);
    fill(storing, 3);
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_OK);
    storing->limits.outbox_limit = 3;
    reopen(storing);
    struct store_try one = report(storing, first, TRY_FAILED);
    assert_int_equal(one.state, DELIVERY_REFUSED);
    mend_destination(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 4);
    bool is_claimed = false;
    for (size_t i = 0; i < claimed.count; i++)
        is_claimed |= claimed.claims[i].delivery_id == second;
    assert_true(is_claimed);
}

static void of_two_destinations_one_may_be_refused(void **state)
{
    struct storing *storing = limited(state, 3);
    fill(storing, 3);
    struct store_event event = message_of("disk", "m1"), again = event;
    to(&event, to_both, 2);
    take(storing, &event);
    assert_int_equal(event.delivery_count, 2);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    assert_int_equal(report(storing, event.deliveries[1].id, TRY_FAILED).state, DELIVERY_REFUSED);
    assert_int_equal(ledger(storing, "shop", "refused"), 1);
    assert_int_equal(ledger(storing, "shop", "delivered"), 0);
    assert_int_equal(ledger(storing, "shop", "queued"), 3);
    mend_destination(storing);
    assert_int_equal(take(storing, &again), OUTCOME_QUEUED);
}

static void a_repeat_is_recognised_though_the_outbox_is_full(void **state)
{
    struct storing *storing = limited(state, 2);
    struct store_event event = message_of("disk", "m1"), again = event;
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    fill(storing, 2);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
}

/* ---- pass-through ---- */

static const struct destination passed[] = {{"", "key-passed"}};

static struct store_event passed_event(const char *alert_key)
{
    struct store_event event = event_of(alert_key, SEVERITY_CRITICAL);
    event.scope = "digest";
    event.integration = "(pass-through)";
    event.needs_acceptance = true;
    event.destinations = event.routes = passed;
    event.destination_count = event.route_count = 1;
    return event;
}

static void accept_key(struct storing *storing, const char *alert_key)
{
    struct store_event event = passed_event(alert_key);
    assert_true(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_true(event.is_unknown);
    struct store_try one = try_of(0, TRY_ACCEPTED);
    assert_true(store_accept(storing->store, &event, &one));
}

static void of_an_unknown_key_nothing_is_kept(void **state)
{
    struct storing *storing = *state;
    struct store_event event = passed_event("disk");
    assert_true(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_true(event.is_unknown);
    assert_int_equal(event.delivery_count, 0);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 0);
    assert_int_equal(number(storing, "SELECT count(*) FROM ledger"), 0);
    assert_int_equal(number(storing, "SELECT count(*) FROM seen"), 0);
}

static void a_key_that_was_accepted_is_known(void **state)
{
    struct storing *storing = *state;
    accept_key(storing, "disk");
    assert_int_equal(ledger(storing, "(pass-through)", "received"), 1);
    assert_int_equal(ledger(storing, "(pass-through)", "delivered"), 1);
    struct store_event event = passed_event("disk");
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_false(event.is_unknown);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
}

static void an_accepted_event_of_a_new_key_is_no_less_remembered(void **state)
{
    struct storing *storing = *state;
    struct store_event event = passed_event("disk"), again;
    event.message_id = "m1";
    again = event;
    assert_true(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    struct store_try one = try_of(0, TRY_ACCEPTED);
    assert_true(store_accept(storing->store, &event, &one));
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
}

static void a_key_is_known_for_30_days(void **state)
{
    struct storing *storing = *state;
    clock_set_wall_ms(NOON_MS);
    accept_key(storing, "disk");
    clock_set_wall_ms(NOON_MS + 30 * DAY);
    struct store_event event = passed_event("disk");
    take(storing, &event);
    assert_false(event.is_unknown);
    clock_set_wall_ms(NOON_MS + 30 * DAY + 1);
    event = passed_event("load");
    assert_true(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_true(event.is_unknown);
}

static void each_acceptance_makes_a_key_known_anew(void **state)
{
    struct storing *storing = *state;
    clock_set_wall_ms(NOON_MS);
    accept_key(storing, "disk");
    clock_set_wall_ms(NOON_MS + 20 * DAY);
    struct store_event event = passed_event("disk");
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    clock_set_wall_ms(NOON_MS + 45 * DAY);
    event = passed_event("load");
    take(storing, &event);
    assert_false(event.is_unknown);
}

static void a_rejection_makes_no_key_known(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    report(storing, id, TRY_FAILED);
    make_all_due(storing);
    mend_destination(storing);
    expect_claim(storing, id);
    report(storing, id, TRY_REJECTED);
    struct store_event event = passed_event("disk");
    event.destinations = to_a;
    assert_true(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_true(event.is_unknown);
}

static void a_key_fills_only_its_share_of_the_outbox(void **state)
{
    struct storing *storing = limited(state, 3 * KEY_SHARE);
    char key[24];
    accept_key(storing, "disk");
    /* The one that is over makes room. */
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "passed-%d", i);
        struct store_event event = passed_event(key);
        assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
        assert_int_equal(report(storing, event.deliveries[0].id, TRY_NONE).state, DELIVERY_WAITING);
    }
    struct store_event event = passed_event("passed-4");
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
    assert_int_equal(report(storing, event.deliveries[0].id, TRY_FAILED).state, DELIVERY_REFUSED);
    event = passed_event("passed-5");
    assert_int_equal(take(storing, &event), OUTCOME_REFUSED);
    /* Others still have room. */
    leave_waiting(storing, "disk");
    assert_int_equal(number(storing, "SELECT kept FROM volume WHERE scope = 'digest'"), 3);
}

static bool keep_confirmation(struct storing *storing, const char *topic)
{
    const struct store_confirmation confirmation = {.scope = "digest",
                                                    .integration = "(pass-through)",
                                                    .request_id = "request",
                                                    .topic = topic,
                                                    .url = "https://smn.example.invalid/confirm",
                                                    .host = "smn.example.invalid",
                                                    .reason = "no answer",
                                                    .accepted_key = passed[0].flashduty_key};
    return store_keep_confirmation(storing->store, &confirmation);
}

static void confirmations_of_a_key_wait_once_it_was_accepted(void **state)
{
    struct storing *storing = *state;
    assert_false(keep_confirmation(storing, "t1"));
    assert_int_equal(number(storing, "SELECT count(*) FROM confirmation"), 0);
    assert_int_equal(ledger(storing, "(pass-through)", "confirming"), 0);
    accept_key(storing, "disk");
    assert_true(keep_confirmation(storing, "t1"));
    assert_int_equal(ledger(storing, "(pass-through)", "confirming"), 1);
}

static void confirmations_of_a_key_fill_only_its_share(void **state)
{
    struct storing *storing = limited(state, 2 * KEY_SHARE);
    accept_key(storing, "disk");
    assert_true(keep_confirmation(storing, "t1"));
    assert_true(keep_confirmation(storing, "t2"));
    assert_false(keep_confirmation(storing, "t3"));
    /* Another link of one that waits takes its place. */
    assert_true(keep_confirmation(storing, "t2"));
    assert_int_equal(number(storing, "SELECT count(*) FROM confirmation"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(what_is_over_goes_first),
        IN_BOTH(in_a_full_outbox_what_can_be_sent_is_recorded),
        IN_BOTH(in_a_full_outbox_what_fails_is_refused),
        IN_BOTH(in_a_full_outbox_what_would_have_to_wait_is_refused),
        IN_BOTH(what_was_promised_stays),
        IN_BOTH(a_refused_event_is_not_what_is_newest),
        IN_BOTH(a_refused_recovery_leaves_its_alert_open),
        IN_BOTH(what_waits_behind_a_refused_event_is_let_go),
        IN_BOTH(of_two_destinations_one_may_be_refused),
        IN_BOTH(a_repeat_is_recognised_though_the_outbox_is_full),
        IN_BOTH(of_an_unknown_key_nothing_is_kept),
        IN_BOTH(a_key_that_was_accepted_is_known),
        IN_BOTH(an_accepted_event_of_a_new_key_is_no_less_remembered),
        IN_BOTH(a_key_is_known_for_30_days),
        IN_BOTH(each_acceptance_makes_a_key_known_anew),
        IN_BOTH(a_rejection_makes_no_key_known),
        IN_BOTH(a_key_fills_only_its_share_of_the_outbox),
        IN_BOTH(confirmations_of_a_key_wait_once_it_was_accepted),
        IN_BOTH(confirmations_of_a_key_fill_only_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
