/* What only rises is counted where it happens, and stays when the ledger moves on. */
#include "storing.h"

#include "store/history.h"

static int64_t counter(const struct storing *storing, const char *name, const char *detail)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT coalesce(sum(value), 0) FROM counter WHERE name = '%s' AND detail = '%s'",
             name, detail);
    return number(storing, sql);
}

static void an_alert_is_counted_on_its_whole_way(void **state)
{
    struct storing *storing = *state;
    clock_set_wall_ms(1800000000 * SECOND);
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_WARNING);
    assert_int_equal(counter(storing, "mapped", "Warning"), 1);
    assert_int_equal(counter(storing, "verified", ""), 1);
    assert_int_equal(counter(storing, "alert_ms", ""), 1800000000 * SECOND);
    report(storing, id, TRY_FAILED);
    assert_int_equal(counter(storing, "queued", ""), 1);
    assert_int_equal(counter(storing, "answers", "500 InternalError"), 1);
    mend_destination(storing);
    make_all_due(storing);
    clock_set_wall_ms(1800000020 * SECOND);
    expect_claim(storing, id);
    report(storing, id, TRY_ACCEPTED);
    assert_int_equal(counter(storing, "queued", ""), 1);
    assert_int_equal(counter(storing, "finished", "delivered"), 1);
    /* 20 seconds are in the bucket up to 30. */
    assert_int_equal(delivery_buckets_ms[8], 30 * SECOND);
    assert_int_equal(counter(storing, "took", "8"), 1);
    assert_int_equal(counter(storing, "took_ms", ""), 20 * SECOND);
    assert_int_equal(counter(storing, "answers", "200 "), 1);
}

static void a_counter_stays_when_a_person_retries(void **state)
{
    struct storing *storing = *state;
    struct error error = {0};
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_REJECTED);
    assert_int_equal(ledger(storing, "shop", "rejected"), 1);
    struct history *history = history_open(storing->path, &error);
    const struct order order = {.kind = ORDER_RETRY};
    enum order_result result = ORDER_UNKNOWN;
    assert_non_null(history);
    assert_true(history_order(history, &order, &id, 1, &result, &error));
    assert_int_equal(result, ORDER_DONE);
    history_close(history);
    assert_int_equal(ledger(storing, "shop", "rejected"), 0);
    assert_int_equal(counter(storing, "finished", "rejected"), 1);
}

static void refusals_are_counted_by_their_reason(void **state)
{
    struct storing *storing = *state;
    store_refuse(storing->store, "shop", REFUSAL_SIGNATURE);
    store_refuse(storing->store, "shop", REFUSAL_SIGNATURE);
    store_refuse(storing->store, "(none)", REFUSAL_KEY);
    reopen(storing);
    assert_int_equal(counter(storing, "refused", "signature"), 2);
    assert_int_equal(counter(storing, "refused", "key"), 1);
    assert_int_equal(counter(storing, "verified", ""), 0);
    assert_int_equal(ledger(storing, "shop", "refused"), 2);
}

static void a_full_outbox_is_a_reason(void **state)
{
    struct storing *storing = *state;
    storing->limits.outbox_limit = 1;
    reopen(storing);
    report(storing, receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL), TRY_FAILED);
    struct store_event event = event_of("disk", SEVERITY_OK);
    assert_int_equal(take(storing, &event), OUTCOME_REFUSED);
    assert_int_equal(counter(storing, "refused", "full"), 1);
    assert_int_equal(counter(storing, "verified", ""), 2);
}

static void what_was_sent_without_the_store_is_counted_with_the_next_change(void **state)
{
    struct storing *storing = *state;
    store_count_unrecorded(storing->store, "shop");
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    assert_int_equal(counter(storing, "unrecorded", ""), 1);
    assert_int_equal(ledger(storing, "shop", "received"), 1);
}

static void the_secret_is_made_once(void **state)
{
    struct storing *storing = *state;
    unsigned char first[STORE_SECRET_BYTES], second[STORE_SECRET_BYTES];
    static const unsigned char nothing[STORE_SECRET_BYTES];
    assert_true(store_secret(storing->store, first));
    reopen(storing);
    assert_true(store_secret(storing->store, second));
    assert_memory_equal(first, second, sizeof first);
    assert_memory_not_equal(first, nothing, sizeof first);
}

static void two_stores_have_two_secrets(void **state)
{
    struct storing *storing = *state;
    unsigned char first[STORE_SECRET_BYTES], second[STORE_SECRET_BYTES];
    assert_true(store_secret(storing->store, first));
    change(storing, "DELETE FROM secret");
    assert_true(store_secret(storing->store, second));
    assert_memory_not_equal(first, second, sizeof first);
}

static void a_drain_leaves_its_time(void **state)
{
    struct storing *storing = *state;
    struct outbox_figures figures = {0};
    struct error error = {0};
    bool more;
    clock_set_wall_ms(1800000000 * SECOND);
    assert_true(store_tidy(storing->store, &more));
    struct history *history = history_open(storing->path, &error);
    assert_non_null(history);
    assert_true(history_figures(history, &figures, &error));
    history_close(history);
    assert_int_equal(figures.drained_ms, 1800000000 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(an_alert_is_counted_on_its_whole_way),
        IN_BOTH(a_counter_stays_when_a_person_retries),
        IN_BOTH(refusals_are_counted_by_their_reason),
        IN_BOTH(a_full_outbox_is_a_reason),
        IN_BOTH(what_was_sent_without_the_store_is_counted_with_the_next_change),
        IN_BOTH(the_secret_is_made_once),
        IN_BOTH(two_stores_have_two_secrets),
        IN_BOTH(a_drain_leaves_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
