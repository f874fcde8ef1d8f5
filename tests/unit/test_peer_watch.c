#include "peer_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"

#define ARRIVED_MS 1000

static struct peer_watch watch;
static int ends[2];

static int begin(void **state)
{
    (void)state;
    return peer_watch_init(&watch) && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends)
               ? 0
               : -1;
}

static int end(void **state)
{
    (void)state;
    peer_watch_end(&watch);
    peer_watch_clear(&watch);
    return close(ends[0]) || close(ends[1]);
}

/* Whether a read ends as if the peer had gone. */
static bool is_cut_off(void)
{
    char byte;
    return read(ends[0], &byte, 1) == 0;
}

static void who_takes_too_long_is_cut_off(void **state)
{
    (void)state;
    peer_watch_begin(&watch, ends[0], ARRIVED_MS);
    peer_watch_look(&watch, ARRIVED_MS + RECEIVE_TIMEOUT_MS);
    assert_false(is_cut_off());
    peer_watch_look(&watch, ARRIVED_MS + RECEIVE_TIMEOUT_MS + 1);
    assert_true(is_cut_off());
    /* Only what it has not sent is lost: it is told so. */
    assert_int_equal(write(ends[0], "x", 1), 1);
}

static void who_has_sent_all_is_left_alone(void **state)
{
    (void)state;
    peer_watch_begin(&watch, ends[0], ARRIVED_MS);
    peer_watch_end(&watch);
    peer_watch_end(&watch);
    peer_watch_look(&watch, ARRIVED_MS + RECEIVE_TIMEOUT_MS + 1);
    assert_false(is_cut_off());
}

/* The number of a connection that was closed while it was watched may be another's by now. */
static void another_with_the_same_number_is_left_alone(void **state)
{
    (void)state;
    int connection = dup(ends[0]);
    assert_true(connection >= 0);
    peer_watch_begin(&watch, connection, ARRIVED_MS);
    int others[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, others), 0);
    assert_int_equal(dup2(others[0], connection), connection);
    peer_watch_look(&watch, ARRIVED_MS + RECEIVE_TIMEOUT_MS + 1);
    char byte;
    assert_int_equal(read(connection, &byte, 1), -1);
    assert_true(is_cut_off());
    close(connection);
    close(others[0]);
    close(others[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_takes_too_long_is_cut_off, begin, end),
        cmocka_unit_test_setup_teardown(who_has_sent_all_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(another_with_the_same_number_is_left_alone, begin, end),
    };
    return cmocka_run_group_tests_name("peer_watch", tests, NULL, NULL);
}
