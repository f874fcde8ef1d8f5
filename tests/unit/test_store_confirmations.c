/* Confirmations that failed: kept, tried again, given up. */
#include "storing.h"

#define NOON_MS (1800000000 * SECOND)

static struct store_confirmation confirmation_of(const char *topic)
{
    return (struct store_confirmation){.scope = "shop",
                                       .integration = "shop",
                                       .request_id = "request",
                                       .topic = topic,
                                       .url = "https://smn.example.invalid/confirm?token=t1",
                                       .host = "smn.example.invalid",
                                       .is_private = true,
                                       .reason = "no answer"};
}

static void keep(struct storing *storing, const struct store_confirmation *confirmation)
{
    assert_true(store_keep_confirmation(storing->store, confirmation));
}

static struct store_confirmation claim_one(struct storing *storing)
{
    struct store_confirmation claimed = {0};
    assert_true(store_claim_confirmation(storing->store, &claimed, &storing->arena));
    return claimed;
}

static void what_is_kept_is_tried_again_as_it_was(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation kept = confirmation_of("m1");
    clock_set_wall_ms(NOON_MS);
    keep(storing, &kept);
    assert_int_equal(ledger(storing, "shop", "confirming"), 1);
    assert_int_equal(claim_one(storing).id, 0);
    assert_false(store_is_due(storing->store));
    clock_set_wall_ms(NOON_MS + 5 * SECOND);
    assert_true(store_is_due(storing->store));
    struct store_confirmation claimed = claim_one(storing);
    assert_true(claimed.id > 0);
    assert_string_equal(claimed.scope, "shop");
    assert_string_equal(claimed.integration, "shop");
    assert_string_equal(claimed.request_id, "request");
    assert_string_equal(claimed.topic, "m1");
    assert_string_equal(claimed.url, kept.url);
    assert_string_equal(claimed.host, kept.host);
    assert_string_equal(claimed.reason, "no answer");
    assert_true(claimed.is_private);
}

static void tries_are_further_and_further_apart(void **state)
{
    static const int64_t pauses_ms[] = {5 * SECOND,  30 * SECOND, 2 * MINUTE, 10 * MINUTE,
                                        30 * MINUTE, HOUR,        2 * HOUR,   4 * HOUR};
    struct storing *storing = *state;
    struct store_confirmation kept = confirmation_of("m1");
    int64_t now_ms = NOON_MS;
    clock_set_wall_ms(now_ms);
    keep(storing, &kept);
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        clock_set_wall_ms(now_ms + pauses_ms[i] - 1);
        assert_int_equal(claim_one(storing).id, 0);
        now_ms += pauses_ms[i];
        clock_set_wall_ms(now_ms);
        struct store_confirmation claimed = claim_one(storing);
        assert_true(claimed.id > 0);
        /* It is put off already, whatever comes of it. */
        assert_int_equal(claim_one(storing).id, 0);
        assert_true(store_report_confirmation(storing->store, &claimed, false, "still none"));
    }
    assert_int_equal(ledger(storing, "shop", "confirming"), 1);
}

static void what_is_confirmed_is_over_and_its_link_is_gone(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation kept = confirmation_of("m1");
    clock_set_wall_ms(NOON_MS);
    keep(storing, &kept);
    clock_set_wall_ms(NOON_MS + MINUTE);
    struct store_confirmation claimed = claim_one(storing);
    assert_true(store_report_confirmation(storing->store, &claimed, true, ""));
    assert_true(store_report_confirmation(storing->store, &claimed, true, ""));
    assert_int_equal(ledger(storing, "shop", "confirming"), 0);
    assert_int_equal(ledger(storing, "shop", "confirmed"), 1);
    assert_int_equal(number(storing, "SELECT count(*) FROM confirmation WHERE url <> ''"), 0);
    clock_set_wall_ms(NOON_MS + DAY);
    assert_int_equal(claim_one(storing).id, 0);
}

static void it_is_given_up_after_48_hours(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation kept = confirmation_of("m1");
    clock_set_wall_ms(NOON_MS);
    keep(storing, &kept);
    clock_set_wall_ms(NOON_MS + 48 * HOUR);
    struct store_confirmation claimed = claim_one(storing);
    assert_true(claimed.id > 0);
    clock_set_wall_ms(NOON_MS + 48 * HOUR + 4 * HOUR);
    assert_int_equal(claim_one(storing).id, 0);
    assert_int_equal(ledger(storing, "shop", "confirming"), 0);
    assert_int_equal(ledger(storing, "shop", "expired"), 1);
    assert_int_equal(number(storing, "SELECT count(*) FROM confirmation WHERE state = 2"
                                     " AND reason LIKE '%expired%no answer'"),
                     1);
    /* A late word of the one that was under way changes nothing. */
    assert_true(store_report_confirmation(storing->store, &claimed, true, ""));
    assert_int_equal(ledger(storing, "shop", "confirmed"), 0);
}

static void a_repeat_takes_the_place_of_what_waits(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation kept = confirmation_of("m1"), again = kept, other = kept;
    clock_set_wall_ms(NOON_MS);
    keep(storing, &kept);
    again.url = "https://smn.example.invalid/confirm?token=t2";
    keep(storing, &again);
    other.scope = other.integration = "bank";
    keep(storing, &other);
    assert_int_equal(ledger(storing, "shop", "confirming"), 1);
    assert_int_equal(ledger(storing, "shop", "duplicate"), 1);
    assert_int_equal(ledger(storing, "bank", "confirming"), 1);
    clock_set_wall_ms(NOON_MS + MINUTE);
    for (int i = 0; i < 2; i++) {
        struct store_confirmation claimed = claim_one(storing);
        assert_true(claimed.id > 0);
        assert_string_equal(claimed.url, strcmp(claimed.scope, "shop") ? kept.url : again.url);
    }
    assert_int_equal(claim_one(storing).id, 0);
}

static void without_an_id_each_is_kept(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation one = confirmation_of(""), two = one;
    two.url = "https://smn.example.invalid/confirm?token=t2";
    keep(storing, &one);
    keep(storing, &two);
    assert_int_equal(ledger(storing, "shop", "confirming"), 2);
}

static void the_next_one_is_the_one_that_is_due_longest(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation first = confirmation_of("m1"), second = confirmation_of("m2");
    clock_set_wall_ms(NOON_MS);
    keep(storing, &first);
    clock_set_wall_ms(NOON_MS + SECOND);
    keep(storing, &second);
    clock_set_wall_ms(NOON_MS + MINUTE);
    assert_string_equal(claim_one(storing).topic, "m1");
    assert_string_equal(claim_one(storing).topic, "m2");
    assert_int_equal(claim_one(storing).id, 0);
}

static void a_clock_that_is_set_back_delays_nothing(void **state)
{
    struct storing *storing = *state;
    struct store_confirmation kept = confirmation_of("m1");
    clock_set_wall_ms(NOON_MS);
    keep(storing, &kept);
    clock_set_wall_ms(NOON_MS - DAY);
    assert_true(store_is_due(storing->store));
    assert_true(claim_one(storing).id > 0);
}

static void what_is_over_is_removed_after_keep_days(void **state)
{
    struct storing *storing = *state;
    bool more;
    struct store_confirmation kept = confirmation_of("m1");
    clock_set_wall_ms(NOON_MS);
    keep(storing, &kept);
    clock_set_wall_ms(NOON_MS + MINUTE);
    struct store_confirmation claimed = claim_one(storing);
    assert_true(store_report_confirmation(storing->store, &claimed, true, ""));
    clock_set_wall_ms(NOON_MS + 29 * DAY);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(number(storing, "SELECT count(*) FROM confirmation"), 1);
    clock_set_wall_ms(NOON_MS + 31 * DAY);
    assert_true(store_tidy(storing->store, &more));
    assert_int_equal(number(storing, "SELECT count(*) FROM confirmation"), 0);
    assert_int_equal(ledger(storing, "shop", "confirmed"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(what_is_kept_is_tried_again_as_it_was),
        IN_BOTH(tries_are_further_and_further_apart),
        IN_BOTH(what_is_confirmed_is_over_and_its_link_is_gone),
        IN_BOTH(it_is_given_up_after_48_hours),
        IN_BOTH(a_repeat_takes_the_place_of_what_waits),
        IN_BOTH(without_an_id_each_is_kept),
        IN_BOTH(the_next_one_is_the_one_that_is_due_longest),
        IN_BOTH(a_clock_that_is_set_back_delays_nothing),
        IN_BOTH(what_is_over_is_removed_after_keep_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
