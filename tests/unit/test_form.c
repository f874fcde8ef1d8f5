#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "status/form.h"

#define RUNS 20000

static void values_are_found_and_decoded(void **state)
{
    static const struct {
        const char *form, *name, *value;
    } cases[] = {
        {"", "q", ""},
        {"q=a", "q", "a"},
        {"q=a&q=b", "q", "a"},
        {"x=1&q=a+b%20c", "q", "a b c"},
        {"xq=1&qx=2&q=3", "q", "3"},
        {"q", "q", ""},
        {"q=&q=b", "q", ""},
        {"q=%", "q", "%"},
        {"q=%4", "q", "%4"},
        {"q=%zz%41%4a%4A", "q", "%zzAJJ"},
        {"q=%e4%b8%ad", "q", "中"},
        {"q=%00x", "q", "\xef\xbf\xbdx"},
        {"q=%ff%e4%b8", "q", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"&&q=a==b&", "q", "a==b"},
        {"q=%26x=1", "x", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = {0};
        assert_string_equal(form_value(&arena, cases[i].form, cases[i].name), cases[i].value);
        arena_clear(&arena);
    }
}

static void numbers_have_bounds(void **state)
{
    static const struct {
        const char *form;
        bool is_right;
        int64_t number;
    } cases[] = {
        {"", true, 7},      {"n=", true, 7},     {"n=1", true, 1},
        {"n=9", true, 9},   {"n=0", false, 0},   {"n=10", false, 0},
        {"n=-1", false, 0}, {"n=+1", false, 0},  {"n=1x", false, 0},
        {"n=%31", true, 1}, {"n=0x1", false, 0}, {"n=99999999999999999999", false, 0},
        {"n=001", true, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = {0};
        struct error error = {0};
        int64_t number;
        assert_int_equal(form_number(&arena, cases[i].form, "n", 1, 9, 7, &number, &error),
                         cases[i].is_right);
        if (cases[i].is_right)
            assert_int_equal(number, cases[i].number);
        else
            assert_string_equal(error.text, "n is a number from 1 to 9");
        arena_clear(&arena);
    }
}

static void whatever_comes_is_text(void **state)
{
    static const char marks[] = "%%%&=q0aF+";
    unsigned seed = 1;
    (void)state;
    for (int run = 0; run < RUNS; run++) {
        struct arena arena = {0};
        char form[32] = {0};
        for (size_t i = 0; i + 1 < sizeof form; i++) {
            unsigned number = (unsigned)rand_r(&seed);
            form[i] = (char)(number % 3 ? marks[number / 3 % (sizeof marks - 1)]
                                        : 1 + (int)(number / 3 % 255));
        }
        const char *value = form_value(&arena, form, "q");
        for (size_t left = strlen(value), size; left > 0; left -= size, value += size)
            assert_true((size = utf8_sequence(value, left)) > 0);
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_and_decoded),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(whatever_comes_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
