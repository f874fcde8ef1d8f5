/* How fast a store lets deliveries go: Flashduty's rates, and destinations that fail. */
#include "storing.h"

#include <stdio.h>

static int64_t leave_waiting(struct storing *storing, const char *alert_key)
{
    int64_t id = receive(storing, alert_key, SEVERITY_WARNING).id;
    if (state_of(storing, id) == DELIVERY_SENDING)
        report(storing, id, TRY_NONE);
    return id;
}

static int64_t leave_waiting_at_b(struct storing *storing, const char *alert_key)
{
    struct store_event event = event_of(alert_key, SEVERITY_WARNING);
    to(&event, to_b, 1);
    take(storing, &event);
    if (event.deliveries[0].state == DELIVERY_SENDING)
        report(storing, event.deliveries[0].id, TRY_NONE);
    return event.deliveries[0].id;
}

static struct store_try fail_for(struct storing *storing, int64_t id, long retry_after_s)
{
    struct store_try one = try_of(id, TRY_FAILED);
    one.retry_after_s = retry_after_s;
    assert_true(store_report(storing->store, &one, 1));
    return one;
}

/* ---- rates ---- */

#define SENDS_MAX 400

/* Whether so many fall into any span of window_ms. */
static bool are_too_many(const int64_t *times, size_t count, size_t most, int64_t window_ms)
{
    for (size_t i = 0; i + most < count; i++) {
        if (times[i + most] - times[i] < window_ms)
            return true;
    }
    return false;
}

/* Two processes take what they can get, by requests and by draining, for so long. When each send
 * began is put down. */
static size_t send_all(struct storing *storing, struct store *stores[2], int64_t for_ms,
                       int64_t times[SENDS_MAX])
{
    size_t count = 0;
    char key[24];
    int64_t end_ms = clock_monotonic_ms() + for_ms;
    for (int i = 0; clock_monotonic_ms() < end_ms && count + 40 < SENDS_MAX; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        struct store_event event = event_of(key, SEVERITY_WARNING);
        assert_true(store_receive(stores[i % 2], &event, 1, LEASE_MS, &storing->arena));
        int64_t ids[CLAIMS_MAX + 1];
        size_t sent = 0;
        if (event.deliveries[0].state == DELIVERY_SENDING)
            ids[sent++] = event.deliveries[0].id;
        struct claimed claimed = claim_of(storing, stores[(i + 1) % 2], CLAIMS_MAX, LEASE_MS);
        for (size_t k = 0; k < claimed.count; k++)
            ids[sent++] = claimed.claims[k].delivery_id;
        for (size_t k = 0; k < sent; k++) {
            times[count++] = clock_monotonic_ms();
            struct store_try one = try_of(ids[k], TRY_ACCEPTED);
            assert_true(store_report(stores[i % 2], &one, 1));
        }
        pause_ms(5);
    }
    return count;
}

static void no_second_has_more_sends_than_the_rate(void **state)
{
    struct storing *storing = *state;
    int64_t times[SENDS_MAX];
    storing->limits.rate_per_second = 5;
    reopen(storing);
    struct store *stores[2] = {storing->store, open_store(storing)};
    size_t count = send_all(storing, stores, 3000, times);
    store_free(stores[1]);
    assert_false(are_too_many(times, count, 5, 1000));
    assert_in_range(count, 13, 16);
}

static void no_minute_has_more_sends_than_the_rate(void **state)
{
    struct storing *storing = *state;
    int64_t times[SENDS_MAX];
    storing->limits.rate_per_second = 50;
    storing->limits.rate_per_minute = 7;
    reopen(storing);
    struct store *stores[2] = {storing->store, open_store(storing)};
    assert_int_equal(send_all(storing, stores, 500, times), 7);
    /* They grow older than a minute. */
    change(storing, "UPDATE send SET at_steady_ms = at_steady_ms - 59000");
    assert_int_equal(send_all(storing, stores, 300, times), 0);
    change(storing, "UPDATE send SET at_steady_ms = at_steady_ms - 1600");
    assert_int_equal(send_all(storing, stores, 500, times), 7);
    store_free(stores[1]);
}

static void each_key_has_its_own_rate(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 1;
    reopen(storing);
    receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    receive_to_wait(storing, "load", SEVERITY_WARNING);
    struct store_event other = event_of("heat", SEVERITY_WARNING);
    to(&other, to_b, 1);
    take(storing, &other);
    assert_int_equal(other.deliveries[0].state, DELIVERY_SENDING);
}

static void further_sends_within_a_request_count_too(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 3;
    reopen(storing);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    for (int i = 0; i < 3; i++) {
        struct store_try one = try_of(id, TRY_FAILED);
        one.wants_again = true;
        one.lease_ms = LEASE_MS;
        assert_true(store_report(storing->store, &one, 1));
        assert_int_equal(one.state, i < 2 ? DELIVERY_SENDING : DELIVERY_WAITING);
    }
}

static void rates_from_before_the_machine_started_hold_nothing(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 1;
    storing->limits.rate_per_minute = 1;
    reopen(storing);
    receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    change(storing, "UPDATE send SET at_steady_ms = at_steady_ms + 1000000000");
    receive_to_be_sent(storing, "load", SEVERITY_WARNING);
    receive_to_wait(storing, "heat", SEVERITY_WARNING);
}

static void who_waits_for_the_rate_is_told_to_ask_soon(void **state)
{
    struct storing *storing = *state;
    storing->limits.rate_per_second = 1;
    reopen(storing);
    receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    receive_to_wait(storing, "load", SEVERITY_WARNING);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 0);
    assert_in_range(claimed.next_ms, 1, 1300);
}

static void of_one_key_only_some_are_under_way_at_once(void **state)
{
    struct storing *storing = *state;
    char key[24];
    for (int i = 0; i < CLAIMS_OF_A_KEY_MAX + 5; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        leave_waiting(storing, key);
    }
    int64_t at_b = leave_waiting_at_b(storing, "other");
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, CLAIMS_OF_A_KEY_MAX + 1);
    assert_int_equal(claimed.claims[CLAIMS_OF_A_KEY_MAX].delivery_id, at_b);
    expect_no_claim(storing);
    report(storing, claimed.claims[0].delivery_id, TRY_ACCEPTED);
    assert_int_equal(claim(storing).count, 1);
}

static void what_requests_send_takes_no_room_from_what_waits(void **state)
{
    struct storing *storing = *state;
    int64_t waiting = leave_waiting(storing, "disk");
    char key[24];
    for (int i = 0; i < CLAIMS_OF_A_KEY_MAX; i++) {
        snprintf(key, sizeof key, "load-%d", i);
        receive_to_be_sent(storing, key, SEVERITY_WARNING);
    }
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].delivery_id, waiting);
}

static void no_more_than_asked_for_are_claimed(void **state)
{
    struct storing *storing = *state;
    leave_waiting(storing, "one");
    leave_waiting(storing, "two");
    leave_waiting_at_b(storing, "three");
    assert_int_equal(claim_of(storing, storing->store, 2, LEASE_MS).count, 2);
    assert_int_equal(claim_of(storing, storing->store, 2, LEASE_MS).count, 1);
}

/* ---- destinations that fail ---- */

static void while_its_destination_fails_an_event_waits(void **state)
{
    int64_t id = receive_to_be_sent(*state, "disk", SEVERITY_WARNING);
    report(*state, id, TRY_FAILED);
    receive_to_wait(*state, "load", SEVERITY_CRITICAL);
}

static void another_destination_is_not_delayed(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    report(storing, id, TRY_FAILED);
    struct store_event event = event_of("disk", SEVERITY_WARNING);
    to(&event, to_b, 1);
    take(storing, &event);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
    report(storing, event.deliveries[0].id, TRY_NONE);
    expect_claim(storing, event.deliveries[0].id);
}

static void a_failing_destination_is_probed_by_one_every_5_seconds(void **state)
{
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t failed_ms = clock_monotonic_ms();
    report(storing, first, TRY_FAILED);
    receive_to_wait(storing, "load", SEVERITY_WARNING);
    int64_t critical = receive_to_wait(storing, "heat", SEVERITY_CRITICAL);
    make_all_due(storing);
    struct claimed claimed = {.count = 0};
    while (claimed.count == 0 && clock_monotonic_ms() - failed_ms < PROBE_MS + 1000) {
        claimed = claim(storing);
        if (claimed.count == 0) {
            assert_in_range(claimed.next_ms, 0, PROBE_MS);
            pause_ms(50);
        }
    }
    assert_in_range(clock_monotonic_ms() - failed_ms, PROBE_MS, PROBE_MS + 800);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].delivery_id, critical);
    report(storing, critical, TRY_FAILED);
    expect_no_claim(storing);
    int64_t probe_ms = number(storing, "SELECT probe_steady_ms FROM destination");
    assert_in_range(probe_ms - steady_ms(storing), PROBE_MS - 500, PROBE_MS);
}

/* Lets the next probe begin now. */
static void probe_now(const struct storing *storing)
{
    change(storing, "UPDATE destination SET probe_steady_ms = 1");
}

static struct claimed claim_probe(struct storing *storing)
{
    struct claimed claimed = {.count = 0};
    for (int i = 0; i < 20 && claimed.count == 0; i++)
        claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    return claimed;
}

/* Now and then one hangs, and the others arrive: that is no outage. */
static void one_that_hangs_while_others_arrive_is_one_failure(void **state)
{
    struct storing *storing = *state;
    int64_t hanging = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    report(storing, receive_to_be_sent(storing, "load", SEVERITY_WARNING), TRY_ACCEPTED);
    report(storing, hanging, TRY_FAILED);
    assert_int_equal(number(storing, "SELECT failures FROM destination"), 1);
    receive_to_be_sent(storing, "heat", SEVERITY_WARNING);
}

static void what_arrived_before_or_elsewhere_says_nothing_of_it(void **state)
{
    struct storing *storing = *state;
    report(storing, receive_to_be_sent(storing, "load", SEVERITY_WARNING), TRY_ACCEPTED);
    change(storing, "UPDATE delivery SET finished_ms = finished_ms - 1500");
    int64_t hanging = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    report(storing, leave_waiting_at_b(storing, "rain"), TRY_ACCEPTED);
    report(storing, hanging, TRY_FAILED);
    receive_to_wait(storing, "heat", SEVERITY_WARNING);
}

static void a_probe_goes_out_though_nothing_is_due(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    for (int i = 0; i < 9; i++) {
        report(storing, id, TRY_FAILED);
        probe_now(storing);
        assert_true(store_is_due(storing->store));
        assert_int_equal(claim_probe(storing).claims[0].delivery_id, id);
        expect_no_claim(storing);
    }
}

static void after_a_probe_that_is_accepted_the_rest_is_due_at_once(void **state)
{
    struct storing *storing = *state;
    char key[24];
    int64_t ids[6];
    for (int i = 0; i < 6; i++) {
        snprintf(key, sizeof key, "disk-%d", i);
        ids[i] = receive_to_be_sent(storing, key, SEVERITY_WARNING);
    }
    for (int i = 0; i < 6; i++)
        report(storing, ids[i], TRY_FAILED);
    probe_now(storing);
    report(storing, claim_probe(storing).claims[0].delivery_id, TRY_ACCEPTED);
    assert_int_equal(claim(storing).count, 5);
    receive_to_be_sent(storing, "new", SEVERITY_WARNING);
}

static void after_a_probe_that_is_rejected_the_rest_is_due_at_once(void **state)
{
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t second = receive_to_be_sent(storing, "load", SEVERITY_WARNING);
    int64_t third = receive_to_be_sent(storing, "heat", SEVERITY_WARNING);
    report(storing, first, TRY_FAILED);
    report(storing, second, TRY_FAILED);
    report(storing, third, TRY_FAILED);
    probe_now(storing);
    report(storing, claim_probe(storing).claims[0].delivery_id, TRY_REJECTED);
    assert_int_equal(claim(storing).count, 2);
    receive_to_be_sent(storing, "rain", SEVERITY_WARNING);
}

/* ---- Retry-After ---- */

static void a_retry_after_holds_the_whole_key(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t other = leave_waiting(storing, "load");
    int64_t at_b = leave_waiting_at_b(storing, "heat");
    int64_t since_ms = clock_monotonic_ms();
    fail_for(storing, id, 2);
    receive_to_wait(storing, "rain", SEVERITY_CRITICAL);
    expect_claim(storing, at_b);
    probe_now(storing);
    make_all_due(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 0);
    assert_in_range(claimed.next_ms, 1000, 2000);
    assert_false(store_is_due(storing->store));
    while (claimed.count == 0 && clock_monotonic_ms() - since_ms < 3000) {
        pause_ms(50);
        claimed = claim(storing);
    }
    assert_in_range(clock_monotonic_ms() - since_ms, 1990, 2500);
    assert_int_equal(claimed.count, 1);
    (void)other;
}

static void a_retry_after_is_believed_up_to_an_hour(void **state)
{
    struct storing *storing = *state;
    fail_for(storing, receive_to_be_sent(storing, "disk", SEVERITY_WARNING), 1000000);
    int64_t hold_ms = number(storing, "SELECT hold_steady_ms FROM destination");
    assert_in_range(hold_ms - steady_ms(storing), HOUR - 5000, HOUR);
    expect_no_claim(storing);
}

static void a_hold_from_before_the_machine_started_holds_nothing(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    fail_for(storing, id, 60);
    change(storing, "UPDATE destination SET hold_steady_ms = hold_steady_ms + 1000000000,"
                    " probe_steady_ms = probe_steady_ms + 1000000000");
    make_all_due(storing);
    expect_claim(storing, id);
}

static void a_later_failure_does_not_shorten_a_retry_after(void **state)
{
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t second = receive_to_be_sent(storing, "load", SEVERITY_WARNING);
    int64_t third = receive_to_be_sent(storing, "heat", SEVERITY_WARNING);
    fail_for(storing, first, 60);
    fail_for(storing, second, 0);
    fail_for(storing, third, 1);
    int64_t hold_ms = number(storing, "SELECT hold_steady_ms FROM destination");
    assert_in_range(hold_ms - steady_ms(storing), 55000, 60000);
}

static void what_was_accepted_meanwhile_does_not_end_a_retry_after(void **state)
{
    struct storing *storing = *state;
    int64_t first = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    int64_t second = receive_to_be_sent(storing, "load", SEVERITY_WARNING);
    fail_for(storing, first, 60);
    /* It had begun before. */
    report(storing, second, TRY_ACCEPTED);
    make_all_due(storing);
    expect_no_claim(storing);
    receive_to_wait(storing, "heat", SEVERITY_CRITICAL);
}

static void a_retry_after_is_kept_though_one_more_send_is_asked_for(void **state)
{
    struct storing *storing = *state;
    struct store_try one =
        try_of(receive_to_be_sent(storing, "disk", SEVERITY_WARNING), TRY_FAILED);
    one.wants_again = true;
    one.lease_ms = LEASE_MS;
    one.retry_after_s = 60;
    assert_true(store_report(storing->store, &one, 1));
    assert_int_equal(one.state, DELIVERY_WAITING);
    receive_to_wait(storing, "heat", SEVERITY_CRITICAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LASTING(no_second_has_more_sends_than_the_rate),
        IN_PASSING(no_minute_has_more_sends_than_the_rate),
        IN_BOTH(each_key_has_its_own_rate),
        IN_BOTH(further_sends_within_a_request_count_too),
        IN_BOTH(rates_from_before_the_machine_started_hold_nothing),
        IN_BOTH(who_waits_for_the_rate_is_told_to_ask_soon),
        IN_BOTH(of_one_key_only_some_are_under_way_at_once),
        IN_BOTH(what_requests_send_takes_no_room_from_what_waits),
        IN_BOTH(no_more_than_asked_for_are_claimed),
        IN_BOTH(while_its_destination_fails_an_event_waits),
        IN_BOTH(another_destination_is_not_delayed),
        IN_LASTING(a_failing_destination_is_probed_by_one_every_5_seconds),
        IN_BOTH(one_that_hangs_while_others_arrive_is_one_failure),
        IN_BOTH(what_arrived_before_or_elsewhere_says_nothing_of_it),
        IN_BOTH(a_probe_goes_out_though_nothing_is_due),
        IN_BOTH(after_a_probe_that_is_accepted_the_rest_is_due_at_once),
        IN_BOTH(after_a_probe_that_is_rejected_the_rest_is_due_at_once),
        IN_PASSING(a_retry_after_holds_the_whole_key),
        IN_BOTH(a_retry_after_is_believed_up_to_an_hour),
        IN_BOTH(a_hold_from_before_the_machine_started_holds_nothing),
        IN_BOTH(a_later_failure_does_not_shorten_a_retry_after),
        IN_BOTH(what_was_accepted_meanwhile_does_not_end_a_retry_after),
        IN_BOTH(a_retry_after_is_kept_though_one_more_send_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
