/* What the watchdog takes for wrong, at its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "delivery/conditions.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define NOON (1800000000 * SECOND)

static const struct condition_row *row_of(const char *name)
{
    const struct condition_row *row = conditions;
    while (row->name && strcmp(row->name, name) != 0)
        row++;
    assert_non_null(row->name);
    return row;
}

/* Whether it holds, and whether its words hold these. */
static bool holds(const char *name, struct circumstances now, const char *words)
{
    static const struct watchdog_settings settings = {.wait_s = 300};
    static const struct watched watched = {.name = "shop"};
    static const struct watch_figures figures = {.reason = "", .topic = ""};
    struct text text = {0};
    now.settings = now.settings ? now.settings : &settings;
    now.watched = now.watched ? now.watched : &watched;
    now.figures = now.figures ? now.figures : &figures;
    now.now_ms = NOON;
    bool is_so = row_of(name)->holds(&now, &text);
    if (is_so && !strstr(text_string(&text), words))
        fail_msg("%s: %s", name, text_string(&text));
    text_clear(&text);
    return is_so;
}

static void where_nothing_is_known_nothing_is_wrong(void **state)
{
    (void)state;
    for (const struct condition_row *row = conditions; row->name; row++)
        assert_false(holds(row->name, (struct circumstances){0}, ""));
}

static bool forged(int64_t count, int64_t mark, int64_t window_ms, bool is_told)
{
    const struct watch_figures figures = {
        .forged = count, .forged_mark = mark, .forged_mark_ms = NOON - window_ms};
    return holds("signatures", (struct circumstances){.figures = &figures, .is_told = is_told}, "");
}

static void a_burst_is_ten_in_a_window(void **state)
{
    (void)state;
    assert_false(forged(9, 0, MINUTE, false));
    assert_true(forged(10, 0, MINUTE, false));
    assert_true(forged(110, 100, MINUTE, false));
    assert_false(forged(109, 100, MINUTE, false));
    /* Many in days are none. */
    assert_true(forged(10, 0, 10 * MINUTE - 1, false));
    assert_false(forged(10, 0, 10 * MINUTE, false));
    /* A clock that was set back says nothing. */
    assert_false(forged(10, 0, -MINUTE, false));
}

static void a_burst_that_was_told_goes_on_to_the_end_of_a_window(void **state)
{
    (void)state;
    assert_true(forged(10, 10, 5 * MINUTE - 1, true));
    assert_false(forged(10, 10, 5 * MINUTE, true));
    assert_true(forged(20, 10, 5 * MINUTE, true));
}

static void in_pass_through_strangers_page_nobody(void **state)
{
    (void)state;
    const struct watchdog_settings settings = {.is_pass_through = true};
    const struct watch_figures figures = {
        .forged = 100, .forged_mark_ms = NOON - MINUTE, .unconfirmed = 5, .topic = ""};
    const struct circumstances now = {.settings = &settings, .figures = &figures};
    assert_false(holds("signatures", now, ""));
    assert_false(holds("unconfirmed", now, ""));
}

static bool ending(int64_t left_ms, bool needs_certificate)
{
    const struct watched watched = {.name = "shop", .needs_certificate = needs_certificate};
    const struct watchdog_settings settings = {.certificate = "smn.pem",
                                               .certificate_ends_s = (NOON + left_ms) / 1000};
    return holds("certificate", (struct circumstances){.watched = &watched, .settings = &settings},
                 "smn.pem, ends 20");
}

static void a_certificate_is_told_of_a_month_before(void **state)
{
    (void)state;
    assert_false(ending(30 * DAY + SECOND, true));
    assert_true(ending(30 * DAY, true));
    assert_true(ending(-DAY, true));
    assert_false(ending(DAY, false));
}

static bool silent(long silence_h, int64_t alert_age_ms, int64_t watched_age_ms, const char *words)
{
    const struct watchdog_settings settings = {.silence_h = silence_h};
    const struct watch_figures figures = {.alert_ms = alert_age_ms ? NOON - alert_age_ms : 0,
                                          .watched_ms = watched_age_ms ? NOON - watched_age_ms : 0};
    return holds("silent", (struct circumstances){.settings = &settings, .figures = &figures},
                 words);
}

static void silence_is_counted_from_the_last_alarm_or_the_first_look(void **state)
{
    (void)state;
    assert_true(silent(1, HOUR + 1, 2 * HOUR, "No alarm came since"));
    assert_false(silent(1, HOUR, 2 * HOUR, ""));
    assert_false(silent(1, 2 * HOUR, MINUTE, ""));
    assert_true(silent(1, 0, 2 * HOUR, "No alarm ever came"));
    assert_false(silent(1, 0, 0, ""));
    assert_false(silent(0, 100 * DAY, 100 * DAY, ""));
}

static void words_say_how_many_and_what_to_do(void **state)
{
    (void)state;
    struct watch_figures figures = {.waiting = 3,
                                    .waiting_since_ms = NOON - 10 * MINUTE,
                                    .unaccepted = 2,
                                    .reason = "NoLicense",
                                    .removed = 1,
                                    .unconfirmed = 2,
                                    .topic = "urn:smn:r:p:t"};
    const struct circumstances now = {.figures = &figures};
    assert_true(holds("waiting", now,
                      "3 of its deliveries wait for longer than 300 s, the oldest since "
                      "2027-01-15T07:50:00Z"));
    assert_true(holds("rejected", now, "(NoLicense)"));
    assert_true(holds("unsubscribed", now, "1 topic was removed (urn:smn:r:p:t)"));
    assert_true(holds("unconfirmed", now, "2 topics could not be confirmed (urn:smn:r:p:t)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_is_known_nothing_is_wrong),
        cmocka_unit_test(a_burst_is_ten_in_a_window),
        cmocka_unit_test(a_burst_that_was_told_goes_on_to_the_end_of_a_window),
        cmocka_unit_test(in_pass_through_strangers_page_nobody),
        cmocka_unit_test(a_certificate_is_told_of_a_month_before),
        cmocka_unit_test(silence_is_counted_from_the_last_alarm_or_the_first_look),
        cmocka_unit_test(words_say_how_many_and_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
