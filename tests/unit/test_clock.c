#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int real_clock(void **state)
{
    (void)state;
    clock_set_wall_ms(0);
    return 0;
}

static void the_wall_clock_tells_the_time(void **state)
{
    time_t before = time(NULL);
    int64_t now_ms = clock_wall_ms();
    (void)state;
    /* time() may read a coarser clock than clock_gettime. */
    assert_true(now_ms / 1000 >= before && now_ms / 1000 <= time(NULL) + 1);
}

static void the_wall_clock_stands_where_it_was_set(void **state)
{
    (void)state;
    clock_set_wall_ms(1700000000123);
    assert_true(clock_wall_ms() == 1700000000123);
    assert_true(clock_wall_ms() == 1700000000123);
    clock_set_wall_ms(0);
    assert_true(clock_wall_ms() > 1700000000123);
}

static void the_monotonic_clock_goes_on_while_the_wall_clock_stands(void **state)
{
    struct timespec pause = {.tv_nsec = 20000000};
    (void)state;
    clock_set_wall_ms(1);
    int64_t start = clock_monotonic_ms();
    nanosleep(&pause, NULL);
    assert_true(clock_monotonic_ms() - start >= 19);
}

static void writes_rfc3339(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:01Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {1705078286, "2024-01-12T16:51:26Z"},
        {1795484460, "2026-11-24T01:41:00Z"},
        {2147483648, "2038-01-19T03:14:08Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[32];
        clock_rfc3339(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void writes_no_time_beyond_all_calendars(void **state)
{
    char text[32] = "x";
    (void)state;
    clock_rfc3339(INT64_MAX, text);
    assert_string_equal(text, "");
}

static void time_zones_of_the_process_change_nothing(void **state)
{
    int64_t seconds;
    char text[32];
    (void)state;
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    assert_true(clock_parse_rfc3339("2024-01-12T16:51:26Z", &seconds));
    assert_true(seconds == 1705078286);
    clock_rfc3339(seconds, text);
    assert_string_equal(text, "2024-01-12T16:51:26Z");
    unsetenv("TZ");
    tzset();
}

static void counts_seconds_of_civil_times(void **state)
{
    static const struct {
        int fields[6], offset_minutes;
        int64_t seconds;
    } cases[] = {
        {{1970, 1, 1, 0, 0, 0}, 0, 0},
        {{1970, 1, 1, 8, 0, 0}, 480, 0},
        {{2024, 2, 29, 23, 59, 59}, 0, 1709251199},
        {{2000, 2, 29, 0, 0, 0}, 0, 951782400},
        {{2024, 1, 12, 16, 51, 26}, 0, 1705078286},
        {{2024, 1, 13, 0, 51, 26}, 480, 1705078286},
        {{2024, 1, 12, 11, 21, 26}, -330, 1705078286},
        {{2016, 12, 31, 23, 59, 60}, 0, 1483228800},
        {{9999, 12, 31, 23, 59, 59}, 0, 253402300799},
        {{2100, 3, 1, 0, 0, 0}, 0, 4107542400},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const int *f = cases[i].fields;
        int64_t seconds = -1;
        assert_true(
            clock_seconds(f[0], f[1], f[2], f[3], f[4], f[5], cases[i].offset_minutes, &seconds));
        assert_true(seconds == cases[i].seconds);
    }
}

static void refuses_fields_out_of_range(void **state)
{
    static const int cases[][7] = {
        {1969, 12, 31, 23, 59, 59, 0},    {10000, 1, 1, 0, 0, 0, 0},
        {-1, 1, 1, 0, 0, 0, 0},           {2024, 0, 1, 0, 0, 0, 0},
        {2024, 13, 1, 0, 0, 0, 0},        {2024, -1, 1, 0, 0, 0, 0},
        {2024, 1, 0, 0, 0, 0, 0},         {2024, 1, 32, 0, 0, 0, 0},
        {2024, 4, 31, 0, 0, 0, 0},        {2023, 2, 29, 0, 0, 0, 0},
        {2024, 2, 30, 0, 0, 0, 0},        {2100, 2, 29, 0, 0, 0, 0},
        {2024, 1, 1, 24, 0, 0, 0},        {2024, 1, 1, -1, 0, 0, 0},
        {2024, 1, 1, 0, 60, 0, 0},        {2024, 1, 1, 0, -1, 0, 0},
        {2024, 1, 1, 0, 0, 61, 0},        {2024, 1, 1, 0, 0, -1, 0},
        {2024, 1, 1, 0, 0, 0, 1440},      {2024, 1, 1, 0, 0, 0, -1440},
        {2024, 1, 1, 0, 0, 0, INT32_MAX}, {INT32_MAX, 1, 1, 0, 0, 0, 0},
        {2024, INT32_MIN, 1, 0, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const int *f = cases[i];
        int64_t seconds;
        if (clock_seconds(f[0], f[1], f[2], f[3], f[4], f[5], f[6], &seconds))
            fail_msg("case %zu", i);
    }
}

static void every_day_is_86400_seconds_after_the_day_before(void **state)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t expected = 0;
    (void)state;
    for (int year = 1970; year <= 9999; year++) {
        bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            int last = days[month - 1] + (month == 2 && is_leap);
            int64_t seconds = -1;
            assert_true(clock_seconds(year, month, 1, 0, 0, 0, 0, &seconds));
            assert_true(seconds == expected);
            assert_true(clock_seconds(year, month, last, 0, 0, 0, 0, &seconds));
            assert_true(seconds == expected + (last - 1) * 86400);
            assert_false(clock_seconds(year, month, last + 1, 0, 0, 0, 0, &seconds));
            expected += last * 86400;
        }
    }
}

static void parses_rfc3339(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"2024-01-12T16:51:26Z", 1705078286},           {"2024-01-12t16:51:26z", 1705078286},
        {"2024-01-12 16:51:26Z", 1705078286},           {"2024-01-12T16:51:26.1Z", 1705078286},
        {"2024-01-12T16:51:26.999999999Z", 1705078286}, {"2024-01-13T00:51:26+08:00", 1705078286},
        {"2024-01-13T00:51:26.123+08:00", 1705078286},  {"2024-01-12T11:21:26-05:30", 1705078286},
        {"2024-01-12T16:51:26+00:00", 1705078286},      {"2024-01-12T16:51:26-00:00", 1705078286},
        {"2016-12-31T23:59:60Z", 1483228800},           {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T00:00:00Z", 1709164800},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t seconds = -1;
        if (!clock_parse_rfc3339(cases[i].text, &seconds) || seconds != cases[i].seconds)
            fail_msg("%s: %lld", cases[i].text, (long long)seconds);
    }
}

static void refuses_what_is_no_rfc3339(void **state)
{
    static const char *const cases[] = {
        "",
        "Z",
        "2024",
        "2024-01-12",
        "2024-01-12T16:51Z",
        "2024-01-12T16:51:26",
        "2024-01-12T16:51:26.",
        "2024-01-12T16:51:26.Z",
        "2024-01-12T16:51:26.1",
        "2024-01-12T16:51:26,1Z",
        "2024-01-12T16:51:26ZZ",
        "2024-01-12T16:51:26Z ",
        " 2024-01-12T16:51:26Z",
        "2024-01-12X16:51:26Z",
        "2024-01-12T16:51:26 Z",
        "2024/01/12T16:51:26Z",
        "2024-1-12T16:51:26Z",
        "2024- 1-12T16:51:26Z",
        "2024-+1-12T16:51:26Z",
        "+024-01-12T16:51:26Z",
        " 024-01-12T16:51:26Z",
        "2024-01-12T 6:51:26Z",
        "02024-01-12T16:51:26Z",
        "20240112T165126Z",
        "2024-13-12T16:51:26Z",
        "2024-00-12T16:51:26Z",
        "2023-02-29T16:51:26Z",
        "2024-01-12T24:00:00Z",
        "2024-01-12T16:60:26Z",
        "2024-01-12T16:51:61Z",
        "1969-12-31T23:59:59Z",
        "2024-01-12T16:51:26+8:00",
        "2024-01-12T16:51:26+0800",
        "2024-01-12T16:51:26+08",
        "2024-01-12T16:51:26+08:",
        "2024-01-12T16:51:26+08:0",
        "2024-01-12T16:51:26+08:00Z",
        "2024-01-12T16:51:26+24:00",
        "2024-01-12T16:51:26+08:60",
        "2024-01-12T16:51:26+-8:00",
        "2024-01-12T16:51:26 08:00",
        "Fri, 12 Jan 2024 16:51:26 GMT",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t seconds;
        if (clock_parse_rfc3339(cases[i], &seconds))
            fail_msg("accepted: %s", cases[i]);
    }
}

static void reads_back_what_it_writes(void **state)
{
    (void)state;
    for (int64_t seconds = 0; seconds < 253402300799; seconds += 1234567891) {
        char text[32];
        int64_t again = -1;
        clock_rfc3339(seconds, text);
        assert_true(clock_parse_rfc3339(text, &again));
        assert_true(again == seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, real_clock, real_clock)
        TEST(the_wall_clock_tells_the_time),
        TEST(the_wall_clock_stands_where_it_was_set),
        TEST(the_monotonic_clock_goes_on_while_the_wall_clock_stands),
        TEST(writes_rfc3339),
        TEST(writes_no_time_beyond_all_calendars),
        TEST(time_zones_of_the_process_change_nothing),
        TEST(counts_seconds_of_civil_times),
        TEST(refuses_fields_out_of_range),
        TEST(every_day_is_86400_seconds_after_the_day_before),
        TEST(parses_rfc3339),
        TEST(refuses_what_is_no_rfc3339),
        TEST(reads_back_what_it_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
