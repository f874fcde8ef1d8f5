#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "status/html.h"

#define RUNS 20000

static void assert_html(const char *expected, const char *template, const char *const *values)
{
    struct text out = {0};
    html_put(&out, template, values);
    assert_false(out.failed);
    assert_string_equal(text_string(&out), expected);
    text_clear(&out);
}

static void a_value_is_escaped_by_its_place(void **state)
{
    const char *value = "a<b>&\"c\"'d'/é\xff";
    (void)state;
    assert_html("<p title=\"a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39;/é\xef\xbf\xbd\"></p>",
                "<p title=\"{}\"></p>", VALUES(value));
    assert_html("<a href=\"?q=a%3Cb%3E%26%22c%22%27d%27%2F%C3%A9%FF&amp;x\">",
                "<a href=\"?q={%}&amp;x\">", VALUES(value));
    assert_html("<i>a<b></i>", "<i>{!}</i>", VALUES("a<b>"));
    assert_html("{x}{ {} {%} {!}", "{x}{ {}", VALUES("{} {%} {!}"));
}

static void what_a_page_must_not_hold_is_replaced(void **state)
{
    static const char *const cases[][2] = {
        {"\x01\x1f\x7f", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\t\n", "\t\n"},
        {"\r", "\xef\xbf\xbd"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", "\xef\xbf\xbd\xef\xbf\xbd\xc2\xa0"},
        {"\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf",
         "\xe2\x80\xa9\xef\xbf\xbd\xef\xbf\xbd\xe2\x80\xaf"},
        {"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
         "\xe2\x81\xa5\xef\xbf\xbd\xef\xbf\xbd\xe2\x81\xaa"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"中文", "中文"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_html(cases[i][1], "{}", VALUES(cases[i][0]));
}

static void values_and_places_that_do_not_fit_make_no_page(void **state)
{
    struct text out = {0};
    (void)state;
    html_put(&out, "{} {}", VALUES("a"));
    assert_true(out.failed);
    text_clear(&out);
    out.failed = false;
    html_put(&out, "{}", VALUES("a", "b"));
    assert_true(out.failed);
    text_clear(&out);
}

/* Bytes that are likelier to mean something than chance would have them. */
static void random_text(char *text, size_t size, unsigned *seed)
{
    static const char marks[] = "<>&\"'/=`;{}!% \xe2\x80\xae\xc2\xed\xff";
    for (size_t i = 0; i + 1 < size; i++) {
        unsigned number = (unsigned)rand_r(seed);
        text[i] = (char)(number % 2 ? marks[number / 2 % (sizeof marks - 1)]
                                    : 1 + (int)(number / 2 % 255));
    }
    text[size - 1] = '\0';
}

static void no_text_leaves_its_place(void **state)
{
    unsigned seed = 1;
    (void)state;
    for (int run = 0; run < RUNS; run++) {
        struct text out = {0};
        char text[24];
        random_text(text, sizeof text, &seed);
        html_put(&out, "{}", VALUES(text));
        assert_null(strpbrk(text_string(&out), "<>\"'"));
        for (const char *c = text_string(&out); (c = strchr(c, '&')); c++)
            assert_true(!strncmp(c, "&lt;", 4) || !strncmp(c, "&gt;", 4) ||
                        !strncmp(c, "&amp;", 5) || !strncmp(c, "&quot;", 6) ||
                        !strncmp(c, "&#39;", 5));
        const char *rest = text_string(&out);
        for (size_t left = out.length, size; left > 0; left -= size, rest += size)
            assert_true((size = utf8_sequence(rest, left)) > 0);
        text_clear(&out);
        html_put(&out, "{%}", VALUES(text));
        assert_int_equal(strspn(text_string(&out), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs"
                                                   "tuvwxyz0123456789-._~%"),
                         out.length);
        text_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_escaped_by_its_place),
        cmocka_unit_test(what_a_page_must_not_hold_is_replaced),
        cmocka_unit_test(values_and_places_that_do_not_fit_make_no_page),
        cmocka_unit_test(no_text_leaves_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
