#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "status/timeline.h"

#define MINUTE ((int64_t)60000)
/* In the middle of a minute. */
#define NOW (29000000 * MINUTE + 30000)

static struct arena arena;
static struct timeline *timeline;

static int begin(void **state)
{
    (void)state;
    timeline = timeline_new(&arena, SPAN_HOUR, NOW);
    return timeline ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static const struct timeline_step *step(size_t index)
{
    size_t count;
    const struct timeline_step *steps = timeline_steps(timeline, &count);
    assert_int_equal(count, 60);
    return &steps[index];
}

static void add_alert(int64_t ago_ms, enum severity severity)
{
    const struct alert_moment moment = {"", severity, OUTCOME_DELIVERED, NOW - ago_ms};
    timeline_add_alert(timeline, &moment);
}

/* ago_ms: when it was received; took_ms: -1: it has not ended. */
static void add_delivery(enum delivery_state state, int64_t ago_ms, int64_t took_ms)
{
    const struct delivery_moment moment = {
        .state = state,
        .severity = SEVERITY_CRITICAL,
        .received_ms = NOW - ago_ms,
        .created_ms = NOW - ago_ms,
        .finished_ms = took_ms < 0 ? 0 : NOW - ago_ms + took_ms,
    };
    timeline_add_delivery(timeline, &moment);
}

static void steps_end_with_the_present_one(void **state)
{
    (void)state;
    assert_int_equal(timeline_step_ms(timeline), MINUTE);
    assert_int_equal(timeline_from_ms(timeline), NOW - 30000 - 59 * MINUTE);
    add_alert(0, SEVERITY_CRITICAL);
    add_alert(29999, SEVERITY_CRITICAL);
    add_alert(30001, SEVERITY_OK);
    add_alert(59 * MINUTE + 30000, SEVERITY_INFO);
    add_alert(59 * MINUTE + 30001, SEVERITY_INFO);
    add_alert(-5 * MINUTE, SEVERITY_WARNING);
    assert_int_equal(step(59)->received[SEVERITY_CRITICAL], 2);
    assert_int_equal(step(58)->received[SEVERITY_OK], 1);
    assert_int_equal(step(0)->received[SEVERITY_INFO], 1);
    /* A clock that was ahead. */
    assert_int_equal(step(59)->received[SEVERITY_WARNING], 1);
}

static void depth_is_what_has_begun_and_not_ended(void **state)
{
    (void)state;
    add_delivery(DELIVERY_WAITING, 200 * MINUTE, -1);
    add_delivery(DELIVERY_DELIVERED, 10 * MINUTE, 5 * MINUTE);
    add_delivery(DELIVERY_DELIVERED, 10 * MINUTE, 10);
    add_delivery(DELIVERY_REJECTED, 90 * MINUTE, 80 * MINUTE);
    add_delivery(DELIVERY_DELIVERED, 200 * MINUTE, 10);
    add_delivery(DELIVERY_SENDING, 1 * MINUTE, -1);
    const int64_t expected[] = {2, 2, 2, 1, 2};
    const size_t at[] = {0, 48, 49, 55, 59};
    assert_int_equal(step(at[0])->depth, expected[0]);
    assert_int_equal(step(at[1])->depth, expected[1]);
    assert_int_equal(step(at[2])->depth, expected[2]);
    assert_int_equal(step(at[3])->depth, expected[3]);
    assert_int_equal(step(at[4])->depth, expected[4]);
    assert_int_equal(step(54)->delivered[SEVERITY_CRITICAL], 1);
    assert_int_equal(step(49)->delivered[SEVERITY_CRITICAL], 1);
}

static void durations_are_true_to_a_tenth(void **state)
{
    (void)state;
    assert_int_equal(step(59)->median_ms, -1);
    for (int64_t ms = 1; ms < (int64_t)72 * 60 * MINUTE; ms += ms / 3 + 1) {
        assert_int_equal(begin(NULL), 0);
        add_delivery(DELIVERY_DELIVERED, ms, ms);
        int64_t told = step(59)->median_ms;
        assert_true(told >= ms - ms / 10 - 1 && told <= ms + ms / 10 + 1);
        assert_int_equal(step(59)->p99_ms, told);
    }
}

static void the_slowest_of_a_hundred_is_not_hidden(void **state)
{
    (void)state;
    for (int i = 0; i < 98; i++)
        add_delivery(DELIVERY_DELIVERED, 40, 40);
    add_delivery(DELIVERY_DELIVERED, 9000, 9000);
    add_delivery(DELIVERY_DELIVERED, 9000, 9000);
    assert_in_range(step(59)->median_ms, 36, 44);
    assert_in_range(step(59)->p99_ms, 8100, 9900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steps_end_with_the_present_one, begin, end),
        cmocka_unit_test_setup_teardown(depth_is_what_has_begun_and_not_ended, begin, end),
        cmocka_unit_test_setup_teardown(durations_are_true_to_a_tenth, begin, end),
        cmocka_unit_test_setup_teardown(the_slowest_of_a_hundred_is_not_hidden, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
