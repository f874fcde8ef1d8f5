/* What waits in a store: in which order it goes, when it is due again, and how it ends. */
#include "storing.h"

#define NOON_MS (1800000000 * SECOND)

/* ---- reporting ---- */

static void what_is_accepted_is_delivered(void **state)
{
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    struct store_try one = report(*state, id, TRY_ACCEPTED);
    assert_int_equal(one.state, DELIVERY_DELIVERED);
    assert_false(one.lets_go);
    assert_int_equal(ledger(*state, "shop", "delivered"), 1);
    assert_int_equal(ledger(*state, "shop", "queued"), 0);
    assert_int_equal(number(*state, "SELECT count(*) FROM try WHERE verdict = 0"), 1);
    expect_no_claim(*state);
}

static void what_is_rejected_is_kept_as_that(void **state)
{
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    assert_int_equal(report(*state, id, TRY_REJECTED).state, DELIVERY_REJECTED);
    assert_int_equal(ledger(*state, "shop", "rejected"), 1);
    assert_int_equal(number(*state, "SELECT count(*) FROM delivery WHERE code ="
                                    " 'InvalidParameter' AND state = 2 AND finished_ms > 0"),
                     1);
    make_all_due(*state);
    expect_no_claim(*state);
    /* Its destination is not failing. */
    receive_to_be_sent(*state, "load", SEVERITY_CRITICAL);
}

static void what_fails_waits(void **state)
{
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    assert_int_equal(report(*state, id, TRY_FAILED).state, DELIVERY_WAITING);
    assert_int_equal(ledger(*state, "shop", "queued"), 1);
    expect_no_claim(*state);
    mend_destination(*state);
    expect_no_claim(*state);
    make_all_due(*state);
    expect_claim(*state, id);
    assert_int_equal(state_of(*state, id), DELIVERY_SENDING);
}

static void what_was_not_tried_is_due_at_once(void **state)
{
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    assert_int_equal(report(*state, id, TRY_NONE).state, DELIVERY_WAITING);
    assert_int_equal(number(*state, "SELECT count(*) FROM try"), 0);
    expect_claim(*state, id);
    assert_int_equal(report(*state, id, TRY_NONE).state, DELIVERY_WAITING);
    expect_claim(*state, id);
}

static void tries_are_further_and_further_apart(void **state)
{
    static const int64_t pauses_ms[] = {5 * SECOND,  30 * SECOND, 2 * MINUTE, 10 * MINUTE,
                                        30 * MINUTE, HOUR,        2 * HOUR,   4 * HOUR,
                                        4 * HOUR,    4 * HOUR};
    clock_set_wall_ms(NOON_MS);
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL), now_ms = NOON_MS;
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        report(*state, id, TRY_FAILED);
        assert_int_equal(of_delivery(*state, "due_ms", id) - now_ms, pauses_ms[i]);
        mend_destination(*state);
        clock_set_wall_ms(now_ms + pauses_ms[i] - 1);
        struct claimed claimed = claim(*state);
        assert_int_equal(claimed.count, 0);
        assert_in_range(claimed.next_ms, 1, 1000);
        now_ms += pauses_ms[i];
        clock_set_wall_ms(now_ms);
        expect_claim(*state, id);
    }
    assert_int_equal(of_delivery(*state, "tries", id), 10);
}

static void one_more_send_is_granted_to_who_asks(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    struct store_try one = try_of(id, TRY_FAILED);
    one.wants_again = true;
    one.lease_ms = LEASE_MS;
    assert_true(store_report(storing->store, &one, 1));
    assert_int_equal(one.state, DELIVERY_SENDING);
    assert_int_equal(of_delivery(storing, "tries", id), 1);
    expect_no_claim(storing);
    assert_int_equal(report(storing, id, TRY_ACCEPTED).state, DELIVERY_DELIVERED);
    assert_int_equal(number(storing, "SELECT count(*) FROM try"), 2);
}

static void a_request_goes_on_trying_while_its_destination_fails(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    int64_t other = receive_to_be_sent(storing, "load", SEVERITY_CRITICAL);
    report(storing, other, TRY_FAILED);
    struct store_try one = try_of(id, TRY_FAILED);
    one.wants_again = true;
    one.lease_ms = LEASE_MS;
    assert_true(store_report(storing->store, &one, 1));
    assert_int_equal(one.state, DELIVERY_SENDING);
}

static void quick_failures_are_counted_before_a_destination_keeps_failing(void **state)
{
    struct storing *storing = *state;
    static const char *const names[] = {"disk", "load", "rain"};
    for (size_t i = 0; i < FAILURES_MAX; i++) {
        struct store_try one =
            try_of(receive_to_be_sent(storing, names[i], SEVERITY_CRITICAL), TRY_FAILED);
        one.took_ms = LONG_FAILURE_MS - 1;
        assert_true(store_report(storing->store, &one, 1));
    }
    receive_to_wait(storing, "snow", SEVERITY_CRITICAL);
}

static void no_further_send_is_granted_beyond_the_rate(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 1;
    reopen(storing);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    struct store_try one = try_of(id, TRY_FAILED);
    one.wants_again = true;
    one.lease_ms = LEASE_MS;
    assert_true(store_report(storing->store, &one, 1));
    assert_int_equal(one.state, DELIVERY_WAITING);
}

static void several_tries_are_reported_together(void **state)
{
    struct storing *storing = *state;
    struct store_try tries[] = {
        try_of(receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_ACCEPTED),
        try_of(receive_to_be_sent(storing, "load", SEVERITY_CRITICAL), TRY_REJECTED),
        try_of(receive_to_be_sent(storing, "heat", SEVERITY_CRITICAL), TRY_FAILED),
        try_of(receive_to_be_sent(storing, "rain", SEVERITY_CRITICAL), TRY_NONE),
    };
    assert_true(store_report(storing->store, tries, 4));
    assert_int_equal(tries[0].state, DELIVERY_DELIVERED);
    assert_int_equal(tries[1].state, DELIVERY_REJECTED);
    assert_int_equal(tries[2].state, DELIVERY_WAITING);
    assert_int_equal(tries[3].state, DELIVERY_WAITING);
}

static void an_alert_stands_with_its_least_finished_delivery(void **state)
{
    struct storing *storing = *state;
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    to(&event, to_both, 2);
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    assert_int_equal(ledger(storing, "shop", "queued"), 1);
    assert_int_equal(ledger(storing, "shop", "delivered"), 0);
    report(storing, event.deliveries[1].id, TRY_REJECTED);
    assert_int_equal(ledger(storing, "shop", "queued"), 0);
    assert_int_equal(ledger(storing, "shop", "rejected"), 1);
    assert_int_equal(ledger(storing, "shop", "received"), 1);
}

static void a_report_of_what_is_not_there_says_so(void **state)
{
    assert_int_equal(report(*state, 4711, TRY_FAILED).state, DELIVERY_REFUSED);
    assert_int_equal(report(*state, 4711, TRY_ACCEPTED).state, DELIVERY_REFUSED);
}

/* ---- the end of a lease ---- */

static void what_a_dead_process_was_sending_is_taken_over(void **state)
{
    struct storing *storing = *state;
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    assert_true(store_receive(storing->store, &event, 1, 30, &storing->arena));
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 0);
    assert_in_range(claimed.next_ms, 0, 30);
    pause_ms(40);
    expect_claim(storing, event.deliveries[0].id);
    expect_no_claim(storing);
}

static void what_a_dead_drainer_was_sending_is_taken_over(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_NONE);
    assert_int_equal(claim_of(storing, storing->store, 9, 1000).count, 1);
    expect_no_claim(storing);
    pause_ms(1010);
    assert_true(store_is_due(storing->store));
    expect_claim(storing, id);
}

static void what_was_sent_before_the_machine_started_is_taken_over(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    assert_false(store_is_due(storing->store));
    change(storing, "UPDATE delivery SET lease_steady_ms = lease_steady_ms + 1000000000");
    assert_true(store_is_due(storing->store));
    expect_claim(storing, id);
}

static void a_late_acceptance_counts(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    assert_int_equal(report(storing, id, TRY_ACCEPTED).state, DELIVERY_DELIVERED);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    make_all_due(storing);
    expect_no_claim(storing);
}

static void a_late_acceptance_counts_while_another_sends_it(void **state)
{
    struct storing *storing = *state;
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    assert_true(store_receive(storing->store, &event, 1, 1, &storing->arena));
    pause_ms(10);
    int64_t id = event.deliveries[0].id;
    expect_claim(storing, id);
    assert_int_equal(report(storing, id, TRY_ACCEPTED).state, DELIVERY_DELIVERED);
    /* What the other then says changes nothing. */
    assert_int_equal(report(storing, id, TRY_FAILED).state, DELIVERY_DELIVERED);
    assert_int_equal(report(storing, id, TRY_REJECTED).state, DELIVERY_DELIVERED);
    assert_int_equal(report(storing, id, TRY_ACCEPTED).state, DELIVERY_DELIVERED);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

static void a_late_acceptance_counts_after_a_rejection(void **state)
{
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    report(*state, id, TRY_REJECTED);
    assert_int_equal(report(*state, id, TRY_ACCEPTED).state, DELIVERY_DELIVERED);
    assert_int_equal(ledger(*state, "shop", "rejected"), 0);
    assert_int_equal(ledger(*state, "shop", "delivered"), 1);
}

/* Of a process that was frozen, or on a slow way: it has come after what followed it. */
static void a_late_acceptance_is_followed_by_what_is_newest(void **state)
{
    struct storing *storing = *state;
    static const enum severity severities[][2] = {{SEVERITY_CRITICAL, SEVERITY_OK},
                                                  {SEVERITY_OK, SEVERITY_CRITICAL}};
    static const char *const keys[] = {"disk", "load"};
    for (size_t i = 0; i < 2; i++) {
        struct store_event event = event_of(keys[i], severities[i][0]);
        assert_true(store_receive(storing->store, &event, 1, 1, &storing->arena));
        pause_ms(10);
        int64_t id = event.deliveries[0].id;
        expect_claim(storing, id);
        report(storing, id, TRY_ACCEPTED);
        assert_false(report(storing, id, TRY_ACCEPTED).lets_go);
        int64_t newest = receive_to_be_sent(storing, keys[i], severities[i][1]);
        report(storing, newest, TRY_ACCEPTED);
        struct store_try late = report(storing, id, TRY_ACCEPTED);
        assert_int_equal(late.state, DELIVERY_DELIVERED);
        assert_true(late.lets_go);
        expect_claim(storing, newest);
        report(storing, newest, TRY_ACCEPTED);
        expect_no_claim(storing);
    }
    assert_int_equal(ledger(storing, "shop", "delivered"), 4);
}

/* Nor of what follows it anyway. */
static void a_late_acceptance_of_what_is_newest_is_followed_by_nothing(void **state)
{
    struct storing *storing = *state;
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_OK), TRY_ACCEPTED);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_ACCEPTED);
    report(storing, id, TRY_ACCEPTED);
    expect_no_claim(storing);
    int64_t newer = receive_to_be_sent(storing, "disk", SEVERITY_OK);
    report(storing, newer, TRY_FAILED);
    assert_false(report(storing, id, TRY_ACCEPTED).lets_go);
    make_all_due(storing);
    expect_claim(storing, newer);
    report(storing, newer, TRY_ACCEPTED);
    expect_no_claim(storing);
}

static void a_failure_of_what_waits_again_changes_nothing(void **state)
{
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    report(*state, id, TRY_FAILED);
    int64_t due_ms = of_delivery(*state, "due_ms", id);
    assert_int_equal(report(*state, id, TRY_REJECTED).state, DELIVERY_WAITING);
    assert_int_equal(of_delivery(*state, "due_ms", id), due_ms);
}

/* ---- order ---- */

static void a_second_event_waits_while_the_first_is_being_sent(void **state)
{
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_OK);
    expect_no_claim(storing);
    struct store_try one = report(storing, first, TRY_ACCEPTED);
    assert_true(one.lets_go);
    expect_claim(storing, second);
}

static void a_second_event_waits_while_the_first_waits(void **state)
{
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, first, TRY_FAILED);
    mend_destination(storing);
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_OK);
    make_all_due(storing);
    expect_claim(storing, first);
    expect_no_claim(storing);
    report(storing, first, TRY_ACCEPTED);
    expect_claim(storing, second);
}

static void a_second_event_goes_after_the_first_was_rejected(void **state)
{
    int64_t first = receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    int64_t second = receive_to_wait(*state, "disk", SEVERITY_OK);
    assert_true(report(*state, first, TRY_REJECTED).lets_go);
    expect_claim(*state, second);
}

static void a_second_event_goes_after_the_first_has_expired(void **state)
{
    struct storing *storing = *state;
    bool more;
    clock_set_wall_ms(NOON_MS);
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, first, TRY_FAILED);
    mend_destination(storing);
    clock_set_wall_ms(NOON_MS + 71 * HOUR);
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_OK);
    clock_set_wall_ms(NOON_MS + 72 * HOUR + 1);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(state_of(storing, first), DELIVERY_EXPIRED);
    expect_claim(storing, second);
}

static void a_second_event_goes_after_the_first_expired_by_its_last_try(void **state)
{
    struct storing *storing = *state;
    clock_set_wall_ms(NOON_MS);
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_OK);
    clock_set_wall_ms(NOON_MS + 72 * HOUR);
    struct store_try one = report(storing, first, TRY_FAILED);
    assert_int_equal(one.state, DELIVERY_EXPIRED);
    assert_true(one.lets_go);
    mend_destination(storing);
    expect_claim(storing, second);
}

static void a_chain_goes_one_by_one(void **state)
{
    struct storing *storing = *state;
    int64_t ids[4] = {receive_to_be_sent(storing, "disk", SEVERITY_WARNING)};
    ids[1] = receive_to_wait(storing, "disk", SEVERITY_CRITICAL);
    ids[2] = receive_to_wait(storing, "disk", SEVERITY_OK);
    ids[3] = receive_to_wait(storing, "disk", SEVERITY_INFO);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(report(storing, ids[i], TRY_ACCEPTED).lets_go, i < 3);
        if (i < 3)
            expect_claim(storing, ids[i + 1]);
        else
            expect_no_claim(storing);
    }
}

static void the_end_of_one_in_the_middle_of_a_chain_lets_nothing_overtake(void **state)
{
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_CRITICAL);
    int64_t third = receive_to_wait(storing, "disk", SEVERITY_OK);
    /* Somebody who was taken for dead did send it. */
    report(storing, second, TRY_ACCEPTED);
    expect_no_claim(storing);
    report(storing, first, TRY_ACCEPTED);
    expect_claim(storing, third);
}

static void events_of_a_request_go_in_their_order(void **state)
{
    struct storing *storing = *state;
    struct store_event events[] = {event_of("disk", SEVERITY_CRITICAL),
                                   event_of("load", SEVERITY_CRITICAL),
                                   event_of("disk", SEVERITY_OK)};
    assert_true(store_receive(storing->store, events, 3, LEASE_MS, &storing->arena));
    assert_int_equal(events[0].deliveries[0].state, DELIVERY_SENDING);
    assert_int_equal(events[1].deliveries[0].state, DELIVERY_SENDING);
    assert_int_equal(events[2].deliveries[0].state, DELIVERY_WAITING);
    report(storing, events[0].deliveries[0].id, TRY_ACCEPTED);
    expect_claim(storing, events[2].deliveries[0].id);
}

static void destinations_of_an_alert_do_not_wait_for_each_other(void **state)
{
    struct storing *storing = *state;
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    to(&trigger, to_both, 2);
    take(storing, &trigger);
    take(storing, &recovery);
    assert_int_equal(recovery.delivery_count, 2);
    report(storing, trigger.deliveries[1].id, TRY_ACCEPTED);
    expect_claim(storing, recovery.deliveries[1].id);
    report(storing, trigger.deliveries[0].id, TRY_ACCEPTED);
    expect_claim(storing, recovery.deliveries[0].id);
}

static void other_alerts_do_not_wait(void **state)
{
    receive_to_be_sent(*state, "disk", SEVERITY_CRITICAL);
    receive_to_be_sent(*state, "load", SEVERITY_CRITICAL);
    receive_to_be_sent(*state, "Disk", SEVERITY_CRITICAL);
}

static void an_event_waits_for_its_routes_earlier_key(void **state)
{
    static const struct destination renewed[] = {{"a", "key-new"}};
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    recovery.routes = renewed;
    recovery.route_count = 1;
    take(storing, &recovery);
    assert_string_equal(recovery.deliveries[0].flashduty_key, "key-new");
    assert_int_equal(recovery.deliveries[0].state, DELIVERY_WAITING);
    expect_no_claim(storing);
    report(storing, first, TRY_ACCEPTED);
    expect_claim(storing, recovery.deliveries[0].id);
}

static void an_event_waits_for_the_same_key_by_another_route(void **state)
{
    static const struct destination other_name[] = {{"renamed", "key-a"}};
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    struct store_event second = event_of("disk", SEVERITY_WARNING);
    to(&second, other_name, 1);
    take(storing, &second);
    assert_int_equal(second.deliveries[0].state, DELIVERY_WAITING);
    report(storing, first, TRY_ACCEPTED);
    expect_claim(storing, second.deliveries[0].id);
}

static void an_event_waits_for_all_before_it_on_either_way(void **state)
{
    static const struct destination route_a_key_b[] = {{"a", "key-b"}};
    struct storing *storing = *state;
    struct store_event first = event_of("disk", SEVERITY_WARNING), second = first, third = first;
    to(&second, to_b, 1);
    to(&third, route_a_key_b, 1);
    take(storing, &first);
    take(storing, &second);
    assert_int_equal(second.deliveries[0].state, DELIVERY_SENDING);
    take(storing, &third);
    assert_int_equal(third.deliveries[0].state, DELIVERY_WAITING);
    report(storing, second.deliveries[0].id, TRY_ACCEPTED);
    expect_no_claim(storing);
    report(storing, first.deliveries[0].id, TRY_ACCEPTED);
    expect_claim(storing, third.deliveries[0].id);
}

static void what_is_taken_over_still_goes_first(void **state)
{
    struct storing *storing = *state;
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    assert_true(store_receive(storing->store, &event, 1, 1, &storing->arena));
    int64_t second = receive_to_wait(storing, "disk", SEVERITY_OK);
    pause_ms(10);
    expect_claim(storing, event.deliveries[0].id);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    expect_claim(storing, second);
}

/* ---- rank ---- */

/* Puts an event into the outbox, due. */
static int64_t leave_waiting(struct storing *storing, const char *alert_key, enum severity severity)
{
    int64_t id = receive(storing, alert_key, severity).id;
    if (state_of(storing, id) == DELIVERY_SENDING)
        report(storing, id, TRY_NONE);
    return id;
}

static void recover(struct storing *storing, const char *alert_key, enum severity severity)
{
    int64_t id = receive_to_be_sent(storing, alert_key, severity);
    report(storing, id, TRY_ACCEPTED);
}

static void what_matters_most_goes_first(void **state)
{
    struct storing *storing = *state;
    int64_t ids[6];
    recover(storing, "was critical", SEVERITY_CRITICAL);
    recover(storing, "was warning", SEVERITY_WARNING);
    recover(storing, "was info", SEVERITY_INFO);
    ids[5] = leave_waiting(storing, "was info", SEVERITY_OK);
    ids[4] = leave_waiting(storing, "was warning", SEVERITY_OK);
    ids[2] = leave_waiting(storing, "info", SEVERITY_INFO);
    ids[3] = leave_waiting(storing, "was critical", SEVERITY_OK);
    ids[1] = leave_waiting(storing, "warning", SEVERITY_WARNING);
    ids[0] = leave_waiting(storing, "critical", SEVERITY_CRITICAL);
    for (size_t i = 0; i < 6; i++) {
        struct claimed claimed = claim_of(storing, storing->store, 1, LEASE_MS);
        assert_int_equal(claimed.count, 1);
        if (claimed.claims[0].delivery_id != ids[i])
            fail_msg("place %zu", i);
    }
}

static void of_the_same_rank_the_oldest_goes_first(void **state)
{
    int64_t first = leave_waiting(*state, "one", SEVERITY_WARNING);
    int64_t second = leave_waiting(*state, "two", SEVERITY_WARNING);
    struct claimed claimed = claim(*state);
    assert_int_equal(claimed.count, 2);
    assert_int_equal(claimed.claims[0].delivery_id, first);
    assert_int_equal(claimed.claims[1].delivery_id, second);
}

static void an_alert_ranks_as_its_highest_waiting_event(void **state)
{
    struct storing *storing = *state;
    int64_t warning = leave_waiting(storing, "other", SEVERITY_WARNING);
    int64_t info = leave_waiting(storing, "disk", SEVERITY_INFO);
    receive_to_wait(storing, "disk", SEVERITY_CRITICAL);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 2);
    assert_int_equal(claimed.claims[0].delivery_id, info);
    assert_int_equal(claimed.claims[1].delivery_id, warning);
}

static void a_recovery_does_not_raise_its_trigger(void **state)
{
    struct storing *storing = *state;
    int64_t info = leave_waiting(storing, "disk", SEVERITY_INFO);
    receive_to_wait(storing, "disk", SEVERITY_OK);
    assert_int_equal(of_delivery(storing, "rank", info), SEVERITY_INFO);
}

static void another_destination_is_not_raised(void **state)
{
    struct storing *storing = *state;
    struct store_event info = event_of("disk", SEVERITY_INFO);
    struct store_event critical = event_of("disk", SEVERITY_CRITICAL);
    to(&info, to_both, 2);
    take(storing, &info);
    take(storing, &critical);
    assert_int_equal(of_delivery(storing, "rank", info.deliveries[0].id), SEVERITY_CRITICAL);
    assert_int_equal(of_delivery(storing, "rank", info.deliveries[1].id), SEVERITY_INFO);
}

static void a_request_takes_no_send_that_something_as_high_waits_for(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 2;
    reopen(storing);
    int64_t first = receive_to_be_sent(storing, "one", SEVERITY_WARNING);
    int64_t second = receive_to_be_sent(storing, "two", SEVERITY_WARNING);
    int64_t third = receive_to_wait(storing, "three", SEVERITY_WARNING);
    report(storing, first, TRY_ACCEPTED);
    report(storing, second, TRY_ACCEPTED);
    pause_ms(1250);
    /* Two are free, and one is the third's. */
    receive_to_be_sent(storing, "four", SEVERITY_WARNING);
    receive_to_wait(storing, "five", SEVERITY_INFO);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].delivery_id, third);
}

static void a_request_takes_a_send_before_what_ranks_lower(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 1;
    reopen(storing);
    receive_to_be_sent(storing, "one", SEVERITY_WARNING);
    receive_to_wait(storing, "two", SEVERITY_WARNING);
    pause_ms(1250);
    receive_to_be_sent(storing, "three", SEVERITY_CRITICAL);
    expect_no_claim(storing);
}

/* ---- the wall clock ---- */

static void a_clock_that_is_set_back_delays_nothing(void **state)
{
    struct storing *storing = *state;
    clock_set_wall_ms(NOON_MS);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    mend_destination(storing);
    clock_set_wall_ms(NOON_MS - DAY);
    assert_true(store_is_due(storing->store));
    expect_claim(storing, id);
}

/* ---- ends ---- */

static void what_waits_expires_after_72_hours(void **state)
{
    struct storing *storing = *state;
    bool more;
    clock_set_wall_ms(NOON_MS);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    clock_set_wall_ms(NOON_MS + 72 * HOUR);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(state_of(storing, id), DELIVERY_WAITING);
    clock_set_wall_ms(NOON_MS + 72 * HOUR + 1);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(state_of(storing, id), DELIVERY_EXPIRED);
    assert_int_equal(ledger(storing, "shop", "expired"), 1);
    assert_int_equal(ledger(storing, "shop", "queued"), 0);
    mend_destination(storing);
    expect_no_claim(storing);
}

static void what_is_over_is_kept_for_keep_days(void **state)
{
    struct storing *storing = *state;
    bool more;
    storing->limits.keep_days = 7;
    reopen(storing);
    clock_set_wall_ms(NOON_MS);
    int64_t delivered = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    int64_t rejected = receive_to_be_sent(storing, "load", SEVERITY_CRITICAL);
    report(storing, delivered, TRY_ACCEPTED);
    report(storing, rejected, TRY_REJECTED);
    clock_set_wall_ms(NOON_MS + 7 * DAY);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 2);
    clock_set_wall_ms(NOON_MS + 7 * DAY + 1);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 0);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 0);
    assert_int_equal(number(storing, "SELECT count(*) FROM try"), 0);
    /* The ledger is for good. */
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
    assert_int_equal(ledger(storing, "shop", "rejected"), 1);
}

static void an_alert_is_kept_while_one_of_its_deliveries_is(void **state)
{
    struct storing *storing = *state;
    bool more;
    clock_set_wall_ms(NOON_MS);
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    to(&event, to_both, 2);
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_ACCEPTED);
    clock_set_wall_ms(NOON_MS + 3 * DAY);
    report(storing, event.deliveries[1].id, TRY_REJECTED);
    clock_set_wall_ms(NOON_MS + 31 * DAY);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 1);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 1);
}

static void tidying_removes_a_little_at_a_time(void **state)
{
    struct storing *storing = *state;
    enum { MANY = 450 };
    static struct store_event events[MANY];
    static struct store_try tries[MANY];
    static char ids[MANY][16];
    int rounds = 0;
    clock_set_wall_ms(NOON_MS);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof ids[i], "m%zu", i);
        events[i] = message_of(ids[i], ids[i]);
    }
    for (size_t i = 0; i < MANY; i += 10) {
        assert_true(store_receive(storing->store, events + i, 10, LEASE_MS, &storing->arena));
        for (size_t k = i; k < i + 10; k++)
            tries[k] = try_of(events[k].deliveries[0].id, TRY_ACCEPTED);
        assert_true(store_report(storing->store, tries + i, 10));
    }
    clock_set_wall_ms(NOON_MS + 31 * DAY);
    for (bool more = true; more; rounds++) {
        assert_true(rounds < 20);
        assert_true(store_tidy(storing->store, &more));
    }
    assert_in_range(rounds, 2, 10);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 0);
    assert_int_equal(number(storing, "SELECT count(*) FROM seen"), 0);
}

static void closed_alerts_are_forgotten_after_keep_days(void **state)
{
    struct storing *storing = *state;
    bool more;
    clock_set_wall_ms(NOON_MS);
    recover(storing, "disk", SEVERITY_CRITICAL);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_OK), TRY_ACCEPTED);
    recover(storing, "load", SEVERITY_CRITICAL);
    clock_set_wall_ms(NOON_MS + 31 * DAY);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(number(storing, "SELECT count(*) FROM memory"), 1);
    assert_int_equal(number(storing, "SELECT count(*) FROM memory_destination"), 1);
}

/* ---- a key that is changed ---- */

static void what_waits_for_a_route_gets_its_present_key(void **state)
{
    static const struct destination renewed = {"a", "key-new"};
    struct storing *storing = *state;
    int64_t id = leave_waiting(storing, "disk", SEVERITY_CRITICAL);
    struct store_event elsewhere = event_of("disk", SEVERITY_CRITICAL);
    elsewhere.scope = "bank";
    take(storing, &elsewhere);
    report(storing, elsewhere.deliveries[0].id, TRY_NONE);
    assert_true(store_set_key(storing->store, "shop", &renewed));
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(claimed.claims[i].flashduty_key,
                            claimed.claims[i].delivery_id == id ? "key-new" : "key-a");
}

static void what_waits_is_due_at_once_with_a_new_key(void **state)
{
    static const struct destination renewed = {"a", "key-new"};
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    expect_no_claim(storing);
    assert_true(store_set_key(storing->store, "shop", &renewed));
    expect_claim(storing, id);
}

static void two_routes_that_become_one_keep_the_order_of_an_alert(void **state)
{
    static const struct destination merged = {"a", "key-b"};
    struct storing *storing = *state;
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    struct store_try tries[2];
    to(&trigger, to_both, 2);
    take(storing, &trigger);
    take(storing, &recovery);
    for (size_t i = 0; i < 2; i++)
        tries[i] = try_of(trigger.deliveries[i].id, TRY_NONE);
    assert_true(store_report(storing->store, tries, 2));
    assert_true(store_set_key(storing->store, "shop", &merged));
    const int64_t ids[] = {trigger.deliveries[0].id, trigger.deliveries[1].id,
                           recovery.deliveries[0].id, recovery.deliveries[1].id};
    for (size_t i = 0; i < 4; i++) {
        expect_claim(storing, ids[i]);
        report(storing, ids[i], TRY_ACCEPTED);
    }
}

/* ---- who drains ---- */

static void one_process_drains_a_store(void **state)
{
    struct storing *storing = *state;
    only_of_a_file(storing);
    struct store *other = open_store(storing);
    struct error error = {0};
    assert_true(store_is_writable(storing->store, &error));
    assert_true(store_lead(storing->store));
    assert_true(store_lead(storing->store));
    assert_false(store_lead(other));
    store_follow(storing->store);
    assert_true(store_lead(other));
    assert_false(store_lead(storing->store));
    store_free(other);
    assert_true(store_lead(storing->store));
}

static void an_empty_store_has_nothing_to_do(void **state)
{
    struct storing *storing = *state;
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 0);
    assert_true(claimed.next_ms == INT64_MAX);
    assert_false(store_is_due(storing->store));
}

static void what_is_due_is_said_to_be(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    assert_false(store_is_due(storing->store));
    report(storing, id, TRY_NONE);
    assert_true(store_is_due(storing->store));
    expect_claim(storing, id);
    assert_false(store_is_due(storing->store));
    report(storing, id, TRY_FAILED);
    assert_false(store_is_due(storing->store));
    mend_destination(storing);
    assert_false(store_is_due(storing->store));
    make_all_due(storing);
    assert_true(store_is_due(storing->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(what_is_accepted_is_delivered),
        IN_BOTH(what_is_rejected_is_kept_as_that),
        IN_BOTH(what_fails_waits),
        IN_BOTH(what_was_not_tried_is_due_at_once),
        IN_BOTH(tries_are_further_and_further_apart),
        IN_BOTH(one_more_send_is_granted_to_who_asks),
        IN_BOTH(a_request_goes_on_trying_while_its_destination_fails),
        IN_BOTH(quick_failures_are_counted_before_a_destination_keeps_failing),
        IN_BOTH(no_further_send_is_granted_beyond_the_rate),
        IN_BOTH(several_tries_are_reported_together),
        IN_BOTH(an_alert_stands_with_its_least_finished_delivery),
        IN_BOTH(a_report_of_what_is_not_there_says_so),
        IN_BOTH(what_a_dead_process_was_sending_is_taken_over),
        IN_BOTH(what_a_dead_drainer_was_sending_is_taken_over),
        IN_BOTH(what_was_sent_before_the_machine_started_is_taken_over),
        IN_BOTH(a_late_acceptance_counts),
        IN_BOTH(a_late_acceptance_counts_while_another_sends_it),
        IN_BOTH(a_late_acceptance_counts_after_a_rejection),
        IN_LASTING(a_late_acceptance_is_followed_by_what_is_newest),
        IN_LASTING(a_late_acceptance_of_what_is_newest_is_followed_by_nothing),
        IN_BOTH(a_failure_of_what_waits_again_changes_nothing),
        IN_BOTH(a_second_event_waits_while_the_first_is_being_sent),
        IN_BOTH(a_second_event_waits_while_the_first_waits),
        IN_BOTH(a_second_event_goes_after_the_first_was_rejected),
        IN_BOTH(a_second_event_goes_after_the_first_has_expired),
        IN_BOTH(a_second_event_goes_after_the_first_expired_by_its_last_try),
        IN_BOTH(a_chain_goes_one_by_one),
        IN_BOTH(the_end_of_one_in_the_middle_of_a_chain_lets_nothing_overtake),
        IN_BOTH(events_of_a_request_go_in_their_order),
        IN_BOTH(destinations_of_an_alert_do_not_wait_for_each_other),
        IN_BOTH(other_alerts_do_not_wait),
        IN_BOTH(an_event_waits_for_its_routes_earlier_key),
        IN_BOTH(an_event_waits_for_the_same_key_by_another_route),
        IN_BOTH(an_event_waits_for_all_before_it_on_either_way),
        IN_BOTH(what_is_taken_over_still_goes_first),
        IN_BOTH(what_matters_most_goes_first),
        IN_BOTH(of_the_same_rank_the_oldest_goes_first),
        IN_BOTH(an_alert_ranks_as_its_highest_waiting_event),
        IN_BOTH(a_recovery_does_not_raise_its_trigger),
        IN_BOTH(another_destination_is_not_raised),
        IN_LASTING(a_request_takes_no_send_that_something_as_high_waits_for),
        IN_PASSING(a_request_takes_a_send_before_what_ranks_lower),
        IN_BOTH(a_clock_that_is_set_back_delays_nothing),
        IN_BOTH(what_waits_expires_after_72_hours),
        IN_BOTH(what_is_over_is_kept_for_keep_days),
        IN_BOTH(an_alert_is_kept_while_one_of_its_deliveries_is),
        IN_BOTH(tidying_removes_a_little_at_a_time),
        IN_BOTH(closed_alerts_are_forgotten_after_keep_days),
        IN_BOTH(what_waits_for_a_route_gets_its_present_key),
        IN_BOTH(what_waits_is_due_at_once_with_a_new_key),
        IN_BOTH(two_routes_that_become_one_keep_the_order_of_an_alert),
        IN_BOTH(one_process_drains_a_store),
        IN_BOTH(an_empty_store_has_nothing_to_do),
        IN_BOTH(what_is_due_is_said_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
