#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HEAD "time=2026-11-24T01:41:00.123Z level=info "

static int ends[2];
static char record[65536];

static int begin(void **state)
{
    (void)state;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return -1;
    log_set_descriptor(ends[1]);
    log_set_level(LOG_INFO);
    clock_set_wall_ms(1795484460123);
    return 0;
}

static int end(void **state)
{
    (void)state;
    log_set_descriptor(-1);
    log_set_level(LOG_INFO);
    clock_set_wall_ms(0);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
    ssize_t length = read(ends[0], record, sizeof record - 1);
    record[length > 0 ? length : 0] = '\0';
    return record;
}

static void writes_a_record(void **state)
{
    (void)state;
    log_event(LOG_INFO, "started", "vendor", "ces", "version", "1.0.0", NULL);
    assert_string_equal(logged(), HEAD "msg=started vendor=ces version=1.0.0\n");
    log_event(LOG_INFO, "no pairs", NULL);
    assert_string_equal(logged(), HEAD "msg=\"no pairs\"\n");
}

static void leaves_out_pairs_without_a_value(void **state)
{
    const char *missing = NULL;
    (void)state;
    log_event(LOG_INFO, "m", "a", missing, "b", "", "c", "3", NULL);
    assert_string_equal(logged(), HEAD "msg=m c=3\n");
}

static void names_every_level(void **state)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    (void)state;
    log_set_level(LOG_DEBUG);
    for (int level = 0; level < LOG_LEVEL_COUNT; level++) {
        assert_string_equal(log_level_names[level], names[level]);
        log_event((enum log_level)level, "m", NULL);
        assert_non_null(strstr(logged(), names[level]));
    }
}

static void leaves_out_records_below_the_level(void **state)
{
    (void)state;
    for (int least = 0; least < LOG_LEVEL_COUNT; least++) {
        log_set_level((enum log_level)least);
        for (int level = 0; level < LOG_LEVEL_COUNT; level++) {
            log_event((enum log_level)level, "m", NULL);
            assert_int_equal(*logged() != '\0', level >= least);
        }
    }
}

static void escapes_what_could_forge_a_line(void **state)
{
    static const struct {
        const char *value, *written;
    } cases[] = {
        {"plain", "plain"},
        {"A-z_0.9:/@+", "A-z_0.9:/@+"},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"a\"b", "\"a\\\"b\""},
        {"a\\b", "\"a\\\\b\""},
        {"a\nlevel=error", "\"a\\nlevel=error\""},
        {"\r\n\t", "\"\\r\\n\\t\""},
        {"\x01\x1b[31m", "\"\\u{0001}\\u{001b}[31m\""},
        {"\x7f", "\"\\u{007f}\""},
        {"\xc2\x85", "\"\\u{0085}\""},
        {"\xc2\x9b", "\"\\u{009b}\""},
        {"\xc2\xa0", "\"\xc2\xa0\""},
        {"\xd8\x9c", "\"\\u{061c}\""},
        {"\xe2\x80\x8d", "\"\xe2\x80\x8d\""},
        {"\xe2\x80\x8e\xe2\x80\x8f", "\"\\u{200e}\\u{200f}\""},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\"\\u{2028}\\u{2029}\""},
        {"\xe2\x80\xaa\xe2\x80\xae", "\"\\u{202a}\\u{202e}\""},
        {"\xe2\x81\xa6\xe2\x81\xa9", "\"\\u{2066}\\u{2069}\""},
        {"\xff\xc0\xaf", "\"\\xff\\xc0\\xaf\""},
        {"\xe4\xbd", "\"\\xe4\\xbd\""},
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\""},
        {"你好 🏢", "\"你好 🏢\""},
        {"é", "\"é\""},
        {"%s%n", "\"%s%n\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text expected = {0};
        text_printf(&expected, HEAD "msg=%s v=%s\n", cases[i].written, cases[i].written);
        log_event(LOG_INFO, cases[i].value, "v", cases[i].value, NULL);
        assert_string_equal(logged(), text_string(&expected));
        text_clear(&expected);
    }
}

/* One well-formed line within the limit, its quotes closed. */
static void assert_one_line(const char *line)
{
    size_t length = strlen(line), quotes = 0;
    assert_true(length > 0 && length <= LOG_LINE_MAX);
    assert_ptr_equal(strchr(line, '\n'), line + length - 1);
    for (const char *at = line; *at; at += utf8_sequence(at, strlen(at))) {
        assert_true(utf8_sequence(at, strlen(at)) > 0);
        if (*at == '\\')
            at++;
        else
            quotes += *at == '"';
    }
    assert_int_equal(quotes % 2, 0);
}

static void cuts_a_long_record_on_a_character(void **state)
{
    static const char *const pieces[] = {"a",  "a ", "é",    "语",   "🏢",
                                         "\n", "\"", "\xff", "\x01", "\xe2\x80\xae"};
    (void)state;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        for (size_t padding = 0; padding < 12; padding++) {
            struct text value = {0};
            text_append(&value, "            ", padding);
            while (value.length < 2 * LOG_LINE_MAX)
                text_puts(&value, pieces[i]);
            log_event(LOG_INFO, "m", "v", text_string(&value), "after", "x", NULL);
            const char *line = logged();
            assert_one_line(line);
            assert_non_null(strstr(line, "…"));
            assert_null(strstr(line, "after"));
            assert_true(strlen(line) > LOG_LINE_MAX - 16);
            text_clear(&value);
        }
    }
}

static void stays_one_line_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t length = LOG_LINE_MAX - 100; length < LOG_LINE_MAX + 10; length++) {
        struct text value = {0};
        while (value.length < length)
            text_putc(&value, 'a');
        log_event(LOG_INFO, text_string(&value), "name", "two words", "n", "\"", NULL);
        assert_one_line(logged());
        text_clear(&value);
    }
}

static void returns_with_errno_as_it_was(void **state)
{
    (void)state;
    log_set_descriptor(ends[0]); /* cannot be written */
    errno = ENOENT;
    log_event(LOG_ERROR, "m", NULL);
    assert_int_equal(errno, ENOENT);
}

static void *log_many(void *name)
{
    for (int i = 0; i < 100; i++)
        log_event(LOG_INFO, "from a thread", "thread", name, "padding", "0123456789 0123456789",
                  NULL);
    return NULL;
}

static void records_of_threads_do_not_mix(void **state)
{
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    size_t lines = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    logged();
    for (char *save, *line = strtok_r(record, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        static const char head[] = HEAD "msg=\"from a thread\" thread=";
        assert_memory_equal(line, head, strlen(head));
        assert_string_equal(line + strlen(head) + 1, " padding=\"0123456789 0123456789\"");
        lines++;
    }
    assert_int_equal(lines, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(writes_a_record),
        TEST(leaves_out_pairs_without_a_value),
        TEST(names_every_level),
        TEST(leaves_out_records_below_the_level),
        TEST(escapes_what_could_forge_a_line),
        TEST(cuts_a_long_record_on_a_character),
        TEST(stays_one_line_wherever_it_is_cut),
        TEST(returns_with_errno_as_it_was),
        TEST(records_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
