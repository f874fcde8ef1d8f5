/* A store in an SQLite file that is missing, locked, full, damaged or replaced. */
#include "storing.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Slower machines and sanitizers. */
#define LATE_MS 250

/* ---- what the tests do to a file ---- */

/* Runs a script in which $f is the file of the store. */
static void run_shell(const struct storing *storing, const char *script)
{
    char command[1024];
    snprintf(command, sizeof command, "f='%s'; %s", storing->path, script);
    assert_int_equal(system(command), 0);
}

/* In a process of its own: closing the file here would drop SQLite's locks. */
static void sum_of(const struct storing *storing, char sum[static 128])
{
    char command[512];
    snprintf(command, sizeof command, "sha256sum <%s", storing->path);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    assert_non_null(fgets(sum, 128, output));
    pclose(output);
}

static void execute(const char *path, const char *sql)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

/* Another process that holds the lock. */
static sqlite3 *lock(const struct storing *storing)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(storing->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return handle;
}

static void unlock(sqlite3 *handle)
{
    assert_int_equal(sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

/* Nothing can be written, it is soon known, and why is said. */
static void expect_failure(struct storing *storing, const char *words)
{
    int64_t since_ms = clock_monotonic_ms();
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    struct store_try one = try_of(1, TRY_ACCEPTED);
    struct error error = {0};
    bool more;
    assert_false(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_in_range(clock_monotonic_ms() - since_ms, 0, 700 + LATE_MS);
    assert_false(store_report(storing->store, &one, 1));
    assert_false(store_tidy(storing->store, &more));
    assert_false(store_is_due(storing->store));
    store_count(storing->store, "shop", OUTCOME_IGNORED);
    assert_false(store_is_writable(storing->store, &error));
    if (!strstr(error.text, words))
        fail_msg("\"%s\" is not in: %s", words, error.text);
    storing->is_broken = true;
}

/* A store with some deliveries, and no process that has it open. */
static void fill_and_close(struct storing *storing)
{
    for (int i = 0; i < 50; i++) {
        char key[24];
        snprintf(key, sizeof key, "disk-%d", i);
        receive(storing, key, SEVERITY_WARNING);
    }
    store_free(storing->store);
    storing->store = NULL;
    execute(storing->path, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static void expect_untouched(struct storing *storing, const char *words)
{
    char before[128], after[128];
    sum_of(storing, before);
    reopen(storing);
    expect_failure(storing, words);
    store_free(storing->store);
    storing->store = NULL;
    sum_of(storing, after);
    assert_string_equal(before, after);
}

/* ---- files that are no store ---- */

static void a_folder_that_is_not_there_is_no_store(void **state)
{
    struct storing *storing = *state;
    snprintf(storing->path, sizeof storing->path, "%s/missing/gateway.db", storing->folder);
    reopen(storing);
    expect_failure(storing, "No such file");
}

static void a_folder_is_no_store(void **state)
{
    struct storing *storing = *state;
    assert_int_equal(mkdir(storing->path, 0700), 0);
    expect_failure(storing, "is no file");
}

static void a_folder_that_may_not_be_written_is_no_store(void **state)
{
    struct storing *storing = *state;
    if (geteuid() == 0) {
        /* Nothing is forbidden to root. */
        storing->is_broken = true;
        skip();
    }
    assert_int_equal(chmod(storing->folder, 0500), 0);
    expect_failure(storing, "ermission denied");
    assert_int_equal(chmod(storing->folder, 0700), 0);
}

static void garbage_is_no_store_and_stays_as_it_is(void **state)
{
    struct storing *storing = *state;
    run_shell(storing, "head -c 65536 /dev/urandom >$f");
    expect_untouched(storing, "not a database");
}

static void a_text_is_no_store_and_stays_as_it_is(void **state)
{
    struct storing *storing = *state;
    run_shell(storing, "echo '# notes of mine' >$f");
    expect_untouched(storing, "not a database");
}

static void a_store_cut_short_stays_as_it_is(void **state)
{
    struct storing *storing = *state;
    fill_and_close(storing);
    run_shell(storing, "truncate -s 20000 $f");
    expect_untouched(storing, "malformed");
}

static void a_damaged_page_stays_as_it_is(void **state)
{
    struct storing *storing = *state;
    fill_and_close(storing);
    run_shell(
        storing,
        "dd if=/dev/urandom of=$f bs=4096 seek=1 count=60 conv=notrunc,fdatasync status=none");
    expect_untouched(storing, "malformed");
}

static void a_newer_store_stays_as_it_is(void **state)
{
    struct storing *storing = *state;
    fill_and_close(storing);
    execute(storing->path, "PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)");
    expect_untouched(storing, "newer release");
}

static void a_database_of_another_program_stays_as_it_is(void **state)
{
    struct storing *storing = *state;
    execute(storing->path, "CREATE TABLE alert (mine TEXT); CREATE TABLE fact (other TEXT)");
    expect_untouched(storing, "");
}

static void an_empty_file_becomes_a_store(void **state)
{
    struct storing *storing = *state;
    run_shell(storing, ": >$f");
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
}

static void a_store_is_for_its_owner_alone(void **state)
{
    struct storing *storing = *state;
    struct stat status;
    mode_t before = umask(0);
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    umask(before);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s%s", storing->path, suffixes[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
}

static void a_store_that_comes_to_be_is_used(void **state)
{
    struct storing *storing = *state;
    assert_int_equal(mkdir(storing->path, 0700), 0);
    expect_failure(storing, "is no file");
    assert_int_equal(rmdir(storing->path), 0);
    storing->is_broken = false;
    pause_ms(1100);
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
}

/* ---- files that go away ---- */

static void a_file_that_was_deleted_is_noticed(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = event;
    take(storing, &event);
    run_shell(storing, "rm -f $f $f-wal $f-shm");
    /* In the file that is there now nothing is known of it. */
    assert_int_equal(take(storing, &again), OUTCOME_QUEUED);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 1);
    assert_int_equal(report(storing, again.deliveries[0].id, TRY_ACCEPTED).state,
                     DELIVERY_DELIVERED);
}

static void a_file_that_was_deleted_alone_is_noticed(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), again = event;
    take(storing, &event);
    run_shell(storing, "rm -f $f");
    assert_int_equal(take(storing, &again), OUTCOME_QUEUED);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery"), 1);
    reopen(storing);
    assert_int_equal(take(storing, &again), OUTCOME_DUPLICATE);
}

/* Makes a store beside ours that knows the message, as a backup does. */
static void make_other(const struct storing *storing, const char *message_id)
{
    struct storing other = *storing;
    struct store_event event = message_of("other", message_id);
    snprintf(other.path, sizeof other.path, "%.300s.other", storing->path);
    other.arena = (struct arena){0};
    other.store = open_store(&other);
    take(&other, &event);
    store_free(other.store);
    arena_clear(&other.arena);
    execute(other.path, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static void expect_whole(const struct storing *storing)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(storing->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    sqlite3_close(handle);
}

static void a_file_that_was_replaced_is_noticed(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), known = message_of("other", "m2");
    take(storing, &event);
    make_other(storing, "m2");
    run_shell(storing, "mv $f.other $f && rm -f $f-wal");
    assert_int_equal(take(storing, &known), OUTCOME_DUPLICATE);
    expect_whole(storing);
}

static void a_backup_put_in_place_of_a_closed_store_is_read_alone(void **state)
{
    struct storing *storing = *state;
    struct store_event event = message_of("disk", "m1"), known = message_of("other", "m2");
    take(storing, &event);
    for (int i = 0; i < 30; i++)
        receive(storing, "full", SEVERITY_WARNING);
    store_free(storing->store);
    make_other(storing, "m2");
    run_shell(storing, "cp $f.other $f");
    storing->store = open_store(storing);
    assert_int_equal(take(storing, &known), OUTCOME_DUPLICATE);
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    expect_whole(storing);
}

/* ---- locks ---- */

static void *unlock_soon(void *handle)
{
    pause_ms(250);
    unlock(handle);
    return NULL;
}

static void a_lock_of_a_moment_is_waited_for(void **state)
{
    struct storing *storing = *state;
    pthread_t thread;
    receive_to_be_sent(storing, "load", SEVERITY_CRITICAL);
    assert_int_equal(pthread_create(&thread, NULL, unlock_soon, lock(storing)), 0);
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    pthread_join(thread, NULL);
}

static void a_lock_that_stays_is_waited_for_half_a_second(void **state)
{
    struct storing *storing = *state;
    int64_t waiting = receive_to_be_sent(storing, "load", SEVERITY_CRITICAL);
    sqlite3 *handle = lock(storing);
    struct store_event event = event_of("disk", SEVERITY_CRITICAL);
    int64_t since_ms = clock_monotonic_ms();
    assert_false(store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena));
    assert_in_range(clock_monotonic_ms() - since_ms, 450, 700 + LATE_MS);
    assert_false(event.is_behind);
    unlock(handle);
    assert_int_equal(state_of(storing, waiting), DELIVERY_SENDING);
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
}

static void behind_a_lock_it_is_known_that_an_earlier_event_waits(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    sqlite3 *handle = lock(storing);
    struct store_event events[] = {event_of("disk", SEVERITY_OK), event_of("load", SEVERITY_OK),
                                   event_of("disk", SEVERITY_OK)};
    events[2].scope = "bank";
    assert_false(store_receive(storing->store, events, 3, LEASE_MS, &storing->arena));
    assert_true(events[0].is_behind);
    assert_false(events[1].is_behind);
    assert_false(events[2].is_behind);
    unlock(handle);
    mend_destination(storing);
    make_all_due(storing);
    expect_claim(storing, id);
}

struct receiver {
    struct store *store;
    struct store_event event;
    struct arena arena;
    bool has_worked;
    int64_t took_ms;
};

static void *receive_one(void *context)
{
    struct receiver *receiver = context;
    int64_t since_ms = clock_monotonic_ms();
    receiver->has_worked =
        store_receive(receiver->store, &receiver->event, 1, LEASE_MS, &receiver->arena);
    receiver->took_ms = clock_monotonic_ms() - since_ms;
    return NULL;
}

/* Requests that come while the lock is waited for are no worse off than the first. */
static void behind_a_lock_each_request_knows_what_waits(void **state)
{
    enum { MANY = 10 };
    struct storing *storing = *state;
    struct receiver receivers[MANY];
    pthread_t threads[MANY];
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    sqlite3 *handle = lock(storing);
    for (size_t i = 0; i < MANY; i++) {
        receivers[i] =
            (struct receiver){storing->store, event_of("disk", SEVERITY_OK), .has_worked = true};
        assert_int_equal(pthread_create(&threads[i], NULL, receive_one, &receivers[i]), 0);
        pause_ms(90);
    }
    for (size_t i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
    unlock(handle);
    for (size_t i = 0; i < MANY; i++) {
        arena_clear(&receivers[i].arena);
        assert_false(receivers[i].has_worked);
        assert_in_range(receivers[i].took_ms, 0, 700 + LATE_MS);
        if (!receivers[i].event.is_behind)
            fail_msg("request %zu does not know that an earlier event waits", i);
    }
    /* None of them was taken in, later. */
    pause_ms(700);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), 1);
}

static void what_was_accepted_is_written_when_the_lock_is_gone(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    sqlite3 *handle = lock(storing);
    struct store_try one = try_of(id, TRY_ACCEPTED);
    assert_false(store_report(storing->store, &one, 1));
    unlock(handle);
    int64_t since_ms = clock_monotonic_ms();
    while (state_of(storing, id) != DELIVERY_DELIVERED && clock_monotonic_ms() - since_ms < 3000)
        pause_ms(20);
    assert_int_equal(state_of(storing, id), DELIVERY_DELIVERED);
    assert_int_equal(ledger(storing, "shop", "delivered"), 1);
}

static void what_was_accepted_is_written_at_the_end(void **state)
{
    struct storing *storing = *state;
    int64_t id = receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    sqlite3 *handle = lock(storing);
    struct store_try one = try_of(id, TRY_ACCEPTED);
    assert_false(store_report(storing->store, &one, 1));
    unlock(handle);
    reopen(storing);
    assert_int_equal(state_of(storing, id), DELIVERY_DELIVERED);
}

struct reporter {
    struct store *store;
    struct store_try one;
    bool has_worked;
    long pause_ms;
};

static void *report_one(void *context)
{
    struct reporter *reporter = context;
    pause_ms(reporter->pause_ms);
    reporter->has_worked = store_report(reporter->store, &reporter->one, 1);
    return NULL;
}

/* Whoever reports may have stopped waiting before it was his turn. */
static void each_acceptance_is_written_when_the_lock_is_gone(void **state)
{
    enum { MANY = 16 };
    struct storing *storing = *state;
    struct reporter reporters[MANY];
    pthread_t threads[MANY];
    char key[24];
    for (size_t i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "disk-%zu", i);
        int64_t id = receive_to_be_sent(storing, key, SEVERITY_CRITICAL);
        reporters[i] =
            (struct reporter){storing->store, try_of(id, TRY_ACCEPTED), false, (long)i * 150};
    }
    sqlite3 *handle = lock(storing);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, report_one, &reporters[i]), 0);
    for (size_t i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
    unlock(handle);
    int64_t since_ms = clock_monotonic_ms();
    while (number(storing, "SELECT count(*) FROM delivery WHERE state = 5") < MANY &&
           clock_monotonic_ms() - since_ms < 4000)
        pause_ms(20);
    assert_int_equal(number(storing, "SELECT count(*) FROM delivery WHERE state = 5"), MANY);
}

static void what_was_counted_is_written_when_the_lock_is_gone(void **state)
{
    struct storing *storing = *state;
    receive_to_be_sent(storing, "disk", SEVERITY_CRITICAL);
    sqlite3 *handle = lock(storing);
    int64_t since_ms = clock_monotonic_ms();
    for (int i = 0; i < 5; i++)
        store_count(storing->store, "shop", OUTCOME_IGNORED);
    assert_in_range(clock_monotonic_ms() - since_ms, 0, LATE_MS);
    pause_ms(1200);
    unlock(handle);
    pause_ms(1200);
    assert_int_equal(ledger(storing, "shop", "ignored"), 5);
}

/* ---- space ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void without_space_nothing_is_taken_and_nothing_is_lost(void **state)
{
    struct storing *storing = *state;
    size_t taken = 0;
    char key[24];
    signal(SIGXFSZ, SIG_IGN);
    int64_t id = receive_to_be_sent(storing, "first", SEVERITY_CRITICAL);
    report(storing, id, TRY_FAILED);
    limit_files(2 * 1024 * 1024);
    bool has_worked = true;
    for (; has_worked && taken < 5000; taken += has_worked) {
        snprintf(key, sizeof key, "disk-%zu", taken);
        struct store_event event = event_of(key, SEVERITY_WARNING);
        event.json =
            "{\"description\":\"a long one ............................................\"}";
        has_worked = store_receive(storing->store, &event, 1, LEASE_MS, &storing->arena);
    }
    assert_false(has_worked);
    assert_in_range(taken, 10, 4000);
    /* What is there can be read. */
    static char long_json[64 * 1024];
    memset(long_json, '.', sizeof long_json - 1);
    struct store_event behind = event_of("first", SEVERITY_OK);
    behind.json = long_json;
    assert_false(store_receive(storing->store, &behind, 1, LEASE_MS, &storing->arena));
    assert_true(behind.is_behind);
    limit_files(RLIM_INFINITY);
    pause_ms(1100);
    receive(storing, "then", SEVERITY_CRITICAL);
    assert_int_equal(number(storing, "SELECT count(*) FROM alert"), (int64_t)taken + 2);
    expect_whole(storing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(a_folder_that_is_not_there_is_no_store),
        IN_BOTH(a_folder_is_no_store),
        IN_BOTH(a_folder_that_may_not_be_written_is_no_store),
        IN_BOTH(garbage_is_no_store_and_stays_as_it_is),
        IN_BOTH(a_text_is_no_store_and_stays_as_it_is),
        IN_BOTH(a_store_cut_short_stays_as_it_is),
        IN_BOTH(a_damaged_page_stays_as_it_is),
        IN_BOTH(a_newer_store_stays_as_it_is),
        IN_BOTH(a_database_of_another_program_stays_as_it_is),
        IN_BOTH(an_empty_file_becomes_a_store),
        IN_BOTH(a_store_is_for_its_owner_alone),
        IN_PASSING(a_store_that_comes_to_be_is_used),
        IN_BOTH(a_file_that_was_deleted_is_noticed),
        IN_BOTH(a_file_that_was_deleted_alone_is_noticed),
        IN_BOTH(a_file_that_was_replaced_is_noticed),
        IN_LASTING(a_backup_put_in_place_of_a_closed_store_is_read_alone),
        IN_BOTH(a_lock_of_a_moment_is_waited_for),
        IN_BOTH(a_lock_that_stays_is_waited_for_half_a_second),
        IN_BOTH(behind_a_lock_it_is_known_that_an_earlier_event_waits),
        IN_LASTING(behind_a_lock_each_request_knows_what_waits),
        IN_LASTING(what_was_accepted_is_written_when_the_lock_is_gone),
        IN_LASTING(what_was_accepted_is_written_at_the_end),
        IN_LASTING(each_acceptance_is_written_when_the_lock_is_gone),
        IN_LASTING(what_was_counted_is_written_when_the_lock_is_gone),
        IN_BOTH(without_space_nothing_is_taken_and_nothing_is_lost),
    };
    /* These are about files. */
    unsetenv("FLASHDUTY_GATEWAY_TEST_POSTGRESQL");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
