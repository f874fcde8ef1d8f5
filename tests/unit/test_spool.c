/* While the database is out of reach: what a node takes into its spool, and how that is moved. The
 * database is a file here: replaced by what is none it is as good as a server that is down. */
#include "storing.h"

#include <sys/stat.h>

#define NOON_S 1800000000
#define NOON_MS (NOON_S * SECOND)
#define MOVED_WITHIN_MS 8000

static struct storing spool; /* of the store that a test is about; its `store` is NULL */

/* ---- the two stores ---- */

static void add_spool(struct storing *storing)
{
    struct error error = {0};
    spool = *storing;
    spool.store = NULL;
    snprintf(spool.path, sizeof spool.path, "%s/spool.db", storing->folder);
    assert_true(store_add_spool(storing->store, spool.path, &error));
}

static int set_up_spooled(void **state, bool is_lasting)
{
    struct error error = {0};
    set_up_store(state, is_lasting);
    struct storing *storing = *state;
    add_spool(storing);
    /* Made as all are at the start, before anything is wrong. */
    assert_true(store_is_writable(storing->store, &error));
    assert_int_equal(store_spooled(storing->store), 0);
    return 0;
}

static int set_up_lasting_spooled(void **state)
{
    return set_up_spooled(state, true);
}

static int set_up_passing_spooled(void **state)
{
    return set_up_spooled(state, false);
}

static void restart(struct storing *storing)
{
    reopen(storing);
    add_spool(storing);
}

/* The file and its log under another name, and what is no database in their place. */
static void go_down(struct storing *storing)
{
    char command[2048];
    snprintf(command, sizeof command, "cd %s && mv gateway.db away.db && %s && mkdir gateway.db",
             storing->folder, "if [ -e gateway.db-wal ]; then mv gateway.db-wal away.db-wal; fi");
    assert_int_equal(system(command), 0);
}

static void come_back(struct storing *storing)
{
    char command[2048];
    snprintf(command, sizeof command, "cd %s && rmdir gateway.db && mv away.db gateway.db && %s",
             storing->folder, "if [ -e away.db-wal ]; then mv away.db-wal gateway.db-wal; fi");
    assert_int_equal(system(command), 0);
}

static bool is_down(const struct storing *storing)
{
    struct stat status;
    return !stat(storing->path, &status) && S_ISDIR(status.st_mode);
}

static int tear_down_spooled(void **state)
{
    struct storing *storing = *state;
    store_free(storing->store);
    storing->store = NULL;
    if (is_down(storing))
        come_back(storing);
    if (!storing->is_broken)
        audit(&spool);
    return tear_down_store(state);
}

#define IN_BOTH_SPOOLED(test)                                                     \
    {#test " [lasting]", test, set_up_lasting_spooled, tear_down_spooled, NULL},  \
    {                                                                             \
#test " [passing]", test, set_up_passing_spooled, tear_down_spooled, NULL \
    }

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH_SPOOLED(while_the_database_works_nothing_is_spooled),
        IN_BOTH_SPOOLED(a_trigger_is_taken_and_sent_at_once),
        IN_BOTH_SPOOLED(what_is_not_accepted_waits_and_is_claimed),
        IN_BOTH_SPOOLED(a_recovery_is_held_and_triggers_do_not_wait_for_it),
        IN_BOTH_SPOOLED(a_repeat_within_the_spool_is_known),
        IN_BOTH_SPOOLED(alerts_of_one_key_go_in_their_order),
        IN_BOTH_SPOOLED(what_was_delivered_does_not_fill_it),
        cmocka_unit_test_setup_teardown(what_is_known_to_be_down_is_not_waited_for,
                                        set_up_lasting_spooled, tear_down_spooled),
        IN_BOTH_SPOOLED(it_can_take_alarms),
        IN_BOTH_SPOOLED(what_the_database_holds_waits_there),
        IN_BOTH_SPOOLED(what_was_accepted_is_reported_later),
        IN_BOTH_SPOOLED(what_was_taken_over_is_never_dropped_for_a_full_outbox),
        IN_BOTH_SPOOLED(what_is_only_counted_is_counted_in_the_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
