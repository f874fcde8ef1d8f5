/* What a store takes in: repeats, late events, and where an event goes. */
#include "storing.h"

#define NOON_S 1800000000
#define NOON_MS (NOON_S * SECOND)

static size_t went_to(const struct store_event *event, const char *flashduty_key)
{
    size_t count = 0;
    for (size_t i = 0; i < event->delivery_count; i++)
        count += !strcmp(event->deliveries[i].flashduty_key, flashduty_key);
    return count;
}

/* ---- repeats ---- */

static void an_event_is_taken_and_is_its_receivers_to_send(void **state)
{
    struct store_event event = message_of("disk", "m1");
    assert_int_equal(take(*state, &event), OUTCOME_QUEUED);
    assert_false(event.is_unknown);
    assert_string_equal(event.reason, "");
    assert_int_equal(event.delivery_count, 1);
    assert_true(event.deliveries[0].id > 0);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
    assert_string_equal(event.deliveries[0].route, "a");
    assert_string_equal(event.deliveries[0].flashduty_key, "key-a");
    assert_int_equal(ledger(*state, "shop", "received"), 1);
    assert_int_equal(ledger(*state, "shop", "queued"), 1);
    expect_no_claim(*state);
}

static void a_message_is_taken_once(void **state)
{
    struct store_event first = message_of("disk", "m1"), again = message_of("disk", "m1");
    assert_int_equal(take(*state, &first), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &again), OUTCOME_DUPLICATE);
    assert_int_equal(again.delivery_count, 0);
    reopen(*state);
    assert_int_equal(take(*state, &again), OUTCOME_DUPLICATE);
    assert_int_equal(ledger(*state, "shop", "duplicate"), 2);
    assert_int_equal(ledger(*state, "shop", "queued"), 1);
}

static void a_repeat_in_the_same_request_is_one_too(void **state)
{
    struct storing *storing = *state;
    struct store_event events[] = {message_of("disk", "m1"), message_of("disk", "m1"),
                                   message_of("disk", "m2")};
    assert_true(store_receive(storing->store, events, 3, LEASE_MS, &storing->arena));
    assert_int_equal(events[0].outcome, OUTCOME_QUEUED);
    assert_int_equal(events[1].outcome, OUTCOME_DUPLICATE);
    assert_int_equal(events[2].outcome, OUTCOME_QUEUED);
    assert_int_equal(events[0].deliveries[0].state, DELIVERY_SENDING);
    assert_int_equal(events[2].deliveries[0].state, DELIVERY_WAITING);
}

static void another_scope_has_its_own_ids(void **state)
{
    struct store_event first = message_of("disk", "m1"), other = message_of("disk", "m1");
    other.scope = "bank";
    assert_int_equal(take(*state, &first), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &other), OUTCOME_QUEUED);
}

static void what_has_no_id_is_never_a_repeat(void **state)
{
    struct store_event first = message_of("disk", ""), again = message_of("disk", "");
    assert_int_equal(take(*state, &first), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &again), OUTCOME_QUEUED);
}

static void a_repeat_of_what_is_over_is_a_repeat_all_the_same(void **state)
{
    struct store_event first = message_of("disk", "m1"), again = first;
    take(*state, &first);
    assert_int_equal(report(*state, first.deliveries[0].id, TRY_REJECTED).state, DELIVERY_REJECTED);
    assert_int_equal(take(*state, &again), OUTCOME_DUPLICATE);
}

static void an_id_is_kept_120_hours(void **state)
{
    bool more = true;
    struct storing *storing = *state;
    clock_set_wall_ms(NOON_MS);
    struct store_event first = message_of("disk", "m1"), again = first, later = first;
    take(*state, &first);
    report(*state, first.deliveries[0].id, TRY_ACCEPTED);
    clock_set_wall_ms(NOON_MS + 120 * HOUR);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(take(*state, &again), OUTCOME_DUPLICATE);
    clock_set_wall_ms(NOON_MS + 120 * HOUR + 1);
    assert_true(store_tidy(storing->store, &more));
    assert_false(more);
    assert_int_equal(take(*state, &later), OUTCOME_QUEUED);
}

/* ---- late events ---- */

static void an_event_older_by_a_second_is_stale(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event now = timed_event("disk", NOON_S), late = timed_event("disk", NOON_S - 1);
    assert_int_equal(take(*state, &now), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &late), OUTCOME_STALE);
    assert_int_equal(late.delivery_count, 0);
    assert_int_equal(ledger(*state, "shop", "stale"), 1);
}

static void an_event_of_the_same_second_is_not_stale(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event first = timed_event("disk", NOON_S), same = timed_event("disk", NOON_S);
    assert_int_equal(take(*state, &first), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &same), OUTCOME_QUEUED);
}

static void an_event_without_a_time_is_not_stale_and_changes_nothing(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event first = timed_event("disk", NOON_S), unknown = timed_event("disk", 0);
    struct store_event late = timed_event("disk", NOON_S - 1);
    assert_int_equal(take(*state, &first), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &unknown), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &late), OUTCOME_STALE);
}

static void an_event_far_ahead_of_the_clock_silences_nothing(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event ahead = timed_event("disk", NOON_S + 301);
    struct store_event now = timed_event("disk", NOON_S), late = timed_event("disk", NOON_S - 1);
    struct store_event again = timed_event("disk", NOON_S + 1000000);
    assert_int_equal(take(*state, &ahead), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &now), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &late), OUTCOME_STALE);
    assert_int_equal(take(*state, &again), OUTCOME_QUEUED);
}

static void five_minutes_ahead_are_believed(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event ahead = timed_event("disk", NOON_S + 300);
    struct store_event now = timed_event("disk", NOON_S + 299);
    assert_int_equal(take(*state, &ahead), OUTCOME_QUEUED);
    assert_int_equal(take(*state, &now), OUTCOME_STALE);
}

static void a_late_recovery_is_stale_too(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event now = timed_event("disk", NOON_S), late = timed_event("disk", NOON_S - 9);
    late.severity = SEVERITY_OK;
    take(*state, &now);
    assert_int_equal(take(*state, &late), OUTCOME_STALE);
}

static void a_repeat_of_a_stale_event_is_a_repeat(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event now = timed_event("disk", NOON_S), late = timed_event("disk", NOON_S - 9);
    late.message_id = "m1";
    take(*state, &now);
    assert_int_equal(take(*state, &late), OUTCOME_STALE);
    assert_int_equal(take(*state, &late), OUTCOME_DUPLICATE);
}

/* ---- where an event goes ---- */

static void what_no_route_wants_is_unrouted(void **state)
{
    struct store_event event = event_of("disk", SEVERITY_INFO);
    to(&event, NULL, 0);
    assert_int_equal(take(*state, &event), OUTCOME_UNROUTED);
    assert_int_equal(ledger(*state, "shop", "unrouted"), 1);
}

static void an_event_goes_to_each_of_its_destinations(void **state)
{
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    to(&event, to_both, 2);
    assert_int_equal(take(*state, &event), OUTCOME_QUEUED);
    assert_int_equal(event.delivery_count, 2);
    assert_int_equal(went_to(&event, "key-a"), 1);
    assert_int_equal(went_to(&event, "key-b"), 1);
    assert_int_equal(event.deliveries[0].state, DELIVERY_SENDING);
    assert_int_equal(event.deliveries[1].state, DELIVERY_SENDING);
    assert_int_equal(ledger(*state, "shop", "received"), 1);
}

static void two_routes_with_the_same_key_get_it_once(void **state)
{
    static const struct destination twins[] = {{"a", "key-a"}, {"twin", "key-a"}};
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    to(&event, twins, 2);
    assert_int_equal(take(*state, &event), OUTCOME_QUEUED);
    assert_int_equal(event.delivery_count, 1);
}

static void a_recovery_goes_where_its_trigger_went(void **state)
{
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &trigger);
    to(&recovery, to_b, 1);
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(recovery.delivery_count, 1);
    assert_int_equal(went_to(&recovery, "key-a"), 1);
}

static void a_recovery_goes_there_though_no_route_wants_it(void **state)
{
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &trigger);
    to(&recovery, NULL, 0);
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(went_to(&recovery, "key-a"), 1);
}

static void a_recovery_gets_the_present_key_of_its_triggers_route(void **state)
{
    static const struct destination renewed[] = {{"a", "key-new"}};
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &trigger);
    recovery.routes = renewed;
    recovery.route_count = 1;
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(recovery.delivery_count, 1);
    assert_int_equal(went_to(&recovery, "key-new"), 1);
}

static void a_recovery_gets_the_remembered_key_when_the_route_is_gone(void **state)
{
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &trigger);
    recovery.routes = to_b;
    recovery.route_count = 1;
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(went_to(&recovery, "key-a"), 1);
}

static void a_recovery_whose_trigger_is_not_known_goes_where_the_routes_say(void **state)
{
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    to(&recovery, to_b, 1);
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(went_to(&recovery, "key-b"), 1);
    assert_int_equal(recovery.delivery_count, 1);
}

static void a_recovery_goes_where_each_of_its_triggers_went(void **state)
{
    struct store_event warning = event_of("disk", SEVERITY_WARNING);
    struct store_event worse = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    to(&worse, to_b, 1);
    take(*state, &warning);
    take(*state, &worse);
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(recovery.delivery_count, 2);
    assert_int_equal(went_to(&recovery, "key-a"), 1);
    assert_int_equal(went_to(&recovery, "key-b"), 1);
}

static void a_recovery_goes_to_a_route_whose_key_changed_between_once(void **state)
{
    static const struct destination renewed[] = {{"a", "key-new"}};
    struct store_event first = event_of("disk", SEVERITY_WARNING);
    struct store_event second = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &first);
    to(&second, renewed, 1);
    take(*state, &second);
    recovery.routes = renewed;
    recovery.route_count = 1;
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(recovery.delivery_count, 1);
    assert_int_equal(went_to(&recovery, "key-new"), 1);
}

static void a_recovery_goes_where_its_trigger_was_rejected(void **state)
{
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &trigger);
    report(*state, trigger.deliveries[0].id, TRY_REJECTED);
    to(&recovery, to_b, 1);
    take(*state, &recovery);
    assert_int_equal(went_to(&recovery, "key-a"), 1);
    assert_int_equal(recovery.delivery_count, 1);
}

static void a_second_recovery_goes_where_the_first_one_went(void **state)
{
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK), again = recovery;
    take(*state, &trigger);
    take(*state, &recovery);
    to(&again, to_b, 1);
    assert_int_equal(take(*state, &again), OUTCOME_QUEUED);
    assert_int_equal(went_to(&again, "key-a"), 1);
    assert_int_equal(again.delivery_count, 1);
}

static void a_new_trigger_after_the_recovery_forgets_the_old_destinations(void **state)
{
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL), second = trigger;
    struct store_event recovery = event_of("disk", SEVERITY_OK), last = recovery;
    take(*state, &trigger);
    take(*state, &recovery);
    to(&second, to_b, 1);
    take(*state, &second);
    assert_int_equal(take(*state, &last), OUTCOME_QUEUED);
    assert_int_equal(last.delivery_count, 1);
    assert_int_equal(went_to(&last, "key-b"), 1);
}

static void what_is_not_taken_moves_no_destination(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event trigger = timed_event("disk", NOON_S);
    struct store_event late = timed_event("disk", NOON_S - 60);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &trigger);
    to(&late, to_b, 1);
    assert_int_equal(take(*state, &late), OUTCOME_STALE);
    take(*state, &recovery);
    assert_int_equal(recovery.delivery_count, 1);
    assert_int_equal(went_to(&recovery, "key-a"), 1);
}

static void an_open_alert_is_remembered_longer_than_deliveries_are_kept(void **state)
{
    struct storing *storing = *state;
    bool more = true;
    clock_set_wall_ms(NOON_MS);
    struct store_event trigger = event_of("disk", SEVERITY_CRITICAL);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    take(*state, &trigger);
    report(*state, trigger.deliveries[0].id, TRY_ACCEPTED);
    clock_set_wall_ms(NOON_MS + 300 * DAY);
    for (int i = 0; i < 3; i++)
        assert_true(store_tidy(storing->store, &more));
    assert_int_equal(number(*state, "SELECT count(*) FROM delivery"), 0);
    to(&recovery, to_b, 1);
    take(*state, &recovery);
    assert_int_equal(went_to(&recovery, "key-a"), 1);
}

static void scopes_do_not_touch_each_other(void **state)
{
    clock_set_wall_ms(NOON_MS);
    struct store_event ours = timed_event("disk", NOON_S), theirs = timed_event("disk", NOON_S - 9);
    struct store_event recovery = event_of("disk", SEVERITY_OK);
    ours.message_id = theirs.message_id = "m1";
    theirs.scope = theirs.integration = recovery.scope = recovery.integration = "bank";
    take(*state, &ours);
    /* No repeat, not late, behind nothing. */
    to(&theirs, to_b, 1);
    assert_int_equal(take(*state, &theirs), OUTCOME_QUEUED);
    assert_int_equal(theirs.deliveries[0].state, DELIVERY_SENDING);
    /* Its recovery goes to its own destination, behind its own trigger. */
    assert_int_equal(take(*state, &recovery), OUTCOME_QUEUED);
    assert_int_equal(recovery.delivery_count, 1);
    assert_int_equal(went_to(&recovery, "key-b"), 1);
    assert_int_equal(recovery.deliveries[0].state, DELIVERY_WAITING);
    assert_int_equal(ledger(*state, "shop", "received"), 1);
    assert_int_equal(ledger(*state, "bank", "received"), 2);
}

static void texts_are_kept_as_they_came(void **state)
{
    struct storing *storing = *state;
    struct store_event event = event_of("k'\"; DROP TABLE alert; --", SEVERITY_CRITICAL);
    event.json = "{\"title_rule\":\"\xe4\xb8\xad\xe6\x96\x87 'quoted' \\\"\"}";
    event.message_id = "id ' %s ?1";
    take(storing, &event);
    report(storing, event.deliveries[0].id, TRY_FAILED);
    mend_destination(storing);
    make_all_due(storing);
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_string_equal(claimed.claims[0].json, event.json);
    assert_string_equal(claimed.claims[0].flashduty_key, "key-a");
    assert_int_equal(claimed.claims[0].tries, 1);
    assert_int_equal(take(storing, &event), OUTCOME_DUPLICATE);
}

static void of_a_large_request_some_go_through_the_outbox(void **state)
{
    struct storing *storing = *state;
    enum { MANY = SENDS_OF_A_REQUEST_MAX + 40 };
    static struct store_event events[MANY];
    static char keys[MANY][16];
    size_t sent = 0;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(keys[i], sizeof keys[i], "disk-%zu", i);
        events[i] = event_of(keys[i], SEVERITY_WARNING);
    }
    assert_true(store_receive(storing->store, events, MANY, LEASE_MS, &storing->arena));
    for (size_t i = 0; i < MANY; i++)
        sent += events[i].deliveries[0].state == DELIVERY_SENDING;
    assert_int_equal(sent, SENDS_OF_A_REQUEST_MAX);
    assert_int_equal(ledger(*state, "shop", "queued"), MANY);
}

static void messages_without_an_alert_are_counted(void **state)
{
    struct storing *storing = *state;
    for (int i = 0; i < 3; i++)
        store_count(storing->store, "shop", OUTCOME_IGNORED);
    store_refuse(storing->store, "(none)", REFUSAL_KEY);
    reopen(storing);
    struct error error = {0};
    assert_true(store_is_writable(storing->store, &error));
    assert_int_equal(ledger(storing, "shop", "ignored"), 3);
    assert_int_equal(ledger(storing, "shop", "received"), 3);
    assert_int_equal(ledger(storing, "(none)", "refused"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(an_event_is_taken_and_is_its_receivers_to_send),
        IN_BOTH(a_message_is_taken_once),
        IN_BOTH(a_repeat_in_the_same_request_is_one_too),
        IN_BOTH(another_scope_has_its_own_ids),
        IN_BOTH(what_has_no_id_is_never_a_repeat),
        IN_BOTH(a_repeat_of_what_is_over_is_a_repeat_all_the_same),
        IN_BOTH(an_id_is_kept_120_hours),
        IN_BOTH(an_event_older_by_a_second_is_stale),
        IN_BOTH(an_event_of_the_same_second_is_not_stale),
        IN_BOTH(an_event_without_a_time_is_not_stale_and_changes_nothing),
        IN_BOTH(an_event_far_ahead_of_the_clock_silences_nothing),
        IN_BOTH(five_minutes_ahead_are_believed),
        IN_BOTH(a_late_recovery_is_stale_too),
        IN_BOTH(a_repeat_of_a_stale_event_is_a_repeat),
        IN_BOTH(what_no_route_wants_is_unrouted),
        IN_BOTH(an_event_goes_to_each_of_its_destinations),
        IN_BOTH(two_routes_with_the_same_key_get_it_once),
        IN_BOTH(a_recovery_goes_where_its_trigger_went),
        IN_BOTH(a_recovery_goes_there_though_no_route_wants_it),
        IN_BOTH(a_recovery_gets_the_present_key_of_its_triggers_route),
        IN_BOTH(a_recovery_gets_the_remembered_key_when_the_route_is_gone),
        IN_BOTH(a_recovery_whose_trigger_is_not_known_goes_where_the_routes_say),
        IN_BOTH(a_recovery_goes_where_each_of_its_triggers_went),
        IN_BOTH(a_recovery_goes_to_a_route_whose_key_changed_between_once),
        IN_BOTH(a_recovery_goes_where_its_trigger_was_rejected),
        IN_BOTH(a_second_recovery_goes_where_the_first_one_went),
        IN_BOTH(a_new_trigger_after_the_recovery_forgets_the_old_destinations),
        IN_BOTH(what_is_not_taken_moves_no_destination),
        IN_BOTH(an_open_alert_is_remembered_longer_than_deliveries_are_kept),
        IN_BOTH(scopes_do_not_touch_each_other),
        IN_BOTH(texts_are_kept_as_they_came),
        IN_BOTH(of_a_large_request_some_go_through_the_outbox),
        IN_BOTH(messages_without_an_alert_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
