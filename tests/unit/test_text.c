#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FFFD "\xef\xbf\xbd"

static struct arena arena;
static struct text text;

static int begin(void **state)
{
    (void)state;
    text = (struct text){0};
    arena = (struct arena){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    text_clear(&text);
    arena_clear(&arena);
    return 0;
}

/* ---- the buffer ---- */

static void an_empty_buffer_is_an_empty_string(void **state)
{
    (void)state;
    assert_string_equal(text_string(&text), "");
    text_append(&text, NULL, 0);
    text_puts(&text, "");
    assert_string_equal(text_string(&text), "");
    assert_int_equal(text.length, 0);
    assert_false(text.failed);
}

static void appends_in_order(void **state)
{
    (void)state;
    text_puts(&text, "one ");
    text_append(&text, "two!", 3);
    text_putc(&text, ' ');
    text_printf(&text, "%d%s%05.1f", 3, " four ", 5.25);
    text_printf(&text, "%s", "");
    assert_string_equal(text_string(&text), "one two 3 four 005.2");
    assert_int_equal(text.length, strlen("one two 3 four 005.2"));
}

/* Around each size that the buffer has. */
static void prints_what_fits_and_what_does_not(void **state)
{
    (void)state;
    char expected[1200] = "";
    for (int length = 0; length < 700; length++) {
        text_clear(&text);
        text_puts(&text, "0123456789");
        text_printf(&text, "<%*s>", length, "");
        snprintf(expected, sizeof expected, "0123456789<%*s>", length, "");
        assert_string_equal(text_string(&text), expected);
        assert_int_equal(text.length, strlen(expected));
    }
}

/* Any byte at any place among eight that are looked at together. */
static void a_plain_run_ends_where_it_ends(void **state)
{
    (void)state;
    char bytes[20];
    for (int byte = 0; byte < 256; byte++) {
        bool is_plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
        for (size_t place = 0; place < sizeof bytes; place++) {
            memset(bytes, '!', sizeof bytes);
            bytes[place] = (char)byte;
            assert_int_equal(text_plain_length(bytes, bytes + sizeof bytes),
                             is_plain ? sizeof bytes : place);
        }
    }
    memset(bytes, 0x7f, sizeof bytes);
    memcpy(bytes + 5, "\xc3\xa9", 2);
    assert_int_equal(text_plain_length(bytes, bytes + sizeof bytes), sizeof bytes);
}

static void keeps_nul_bytes(void **state)
{
    (void)state;
    text_append(&text, "a\0b", 3);
    text_putc(&text, '\0');
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.data, "a\0b\0", 5);
}

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        text_putc(&text, (char)('a' + i % 26));
        assert_true(text.length == i + 1 && text.length < text.size && !text.data[text.length]);
    }
    for (size_t i = 0; i < 100000; i++)
        assert_true(text.data[i] == (char)('a' + i % 26));
    assert_true(text.size <= 400000);
}

static void grows_past_its_double_at_once(void **state)
{
    char *big = malloc(100001);
    (void)state;
    assert_non_null(big);
    memset(big, 'x', 100000);
    big[100000] = '\0';
    text_puts(&text, "a");
    text_puts(&text, big);
    text_printf(&text, "%s", big);
    assert_int_equal(text.length, 200001);
    assert_int_equal(strlen(text.data), 200001);
    free(big);
}

static void stays_empty_and_failed_after_a_failure(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 - 1};
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        text_puts(&text, "before");
        text_append(&text, "x", sizes[i]);
        assert_true(text.failed);
        text_puts(&text, "after");
        text_putc(&text, 'c');
        text_printf(&text, "%d", 1);
        text_json(&text, "j");
        text_code_point(&text, 'p');
        assert_true(text.failed);
        assert_string_equal(text_string(&text), "");
        assert_int_equal(text.length, 0);
        text_clear(&text);
        assert_false(text.failed);
        text_puts(&text, "again");
        assert_string_equal(text_string(&text), "again");
        text_clear(&text);
    }
}

static void moves_into_an_arena(void **state)
{
    (void)state;
    text_puts(&text, "kept");
    const char *kept = text_into(&text, &arena);
    assert_null(text.data);
    text_puts(&text, "other");
    assert_string_equal(kept, "kept");
    text_clear(&text);
    assert_string_equal(text_into(&text, &arena), "");
    assert_false(arena.failed);
}

static void passes_its_failure_on_to_the_arena(void **state)
{
    (void)state;
    text_append(&text, "x", SIZE_MAX);
    assert_string_equal(text_into(&text, &arena), "");
    assert_true(arena.failed);
    assert_false(text.failed);
}

/* ---- JSON strings ---- */

static void writes_json_strings(void **state)
{
    static const struct {
        const char *string, *json;
    } cases[] = {
        {NULL, "null"},
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x0b\x1f\x7f", "\"\\u0001\\u000b\\u001f\x7f\""},
        {"你好 🏢 \xe2\x80\xa8", "\"你好 🏢 \xe2\x80\xa8\""},
        {"\xff", "\"" FFFD "\""},
        {"a\xe4\xbd", "\"a" FFFD FFFD "\""},
        {"\xe4\"\xbd\n", "\"" FFFD "\\\"" FFFD "\\n\""},
        {"\xed\xa0\x80", "\"" FFFD FFFD FFFD "\""},
        {"\xc0\x80", "\"" FFFD FFFD "\""},
        {"\\u0041", "\"\\\\u0041\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        text_json(&text, cases[i].string);
        assert_string_equal(text_string(&text), cases[i].json);
        text_clear(&text);
    }
}

/* ---- UTF-8 ---- */

static void knows_well_formed_sequences(void **state)
{
    static const struct {
        const char *bytes;
        size_t length, sequence;
    } cases[] = {
        {"", 0, 0},
        {"a", 0, 0},
        {"ab", 2, 1},
        {"\0", 1, 1},
        {"\x7f", 1, 1},
        {"\x80", 1, 0},
        {"\xbf\xbf", 2, 0},
        {"\xc0\x80", 2, 0},
        {"\xc1\xbf", 2, 0},
        {"\xc2\x80", 2, 2},
        {"\xc2", 1, 0},
        {"\xc2\x7f", 2, 0},
        {"\xc2\xc0", 2, 0},
        {"\xdf\xbf", 2, 2},
        {"\xe0\x9f\xbf", 3, 0},
        {"\xe0\xa0\x80", 3, 3},
        {"\xe4\xbd\xa0", 3, 3},
        {"\xe4\xbd\xa0", 2, 0},
        {"\xe4\xbd\xa0", 1, 0},
        {"\xe4\xbd\x20", 3, 0},
        {"\xed\x9f\xbf", 3, 3},
        {"\xed\xa0\x80", 3, 0},
        {"\xed\xbf\xbf", 3, 0},
        {"\xee\x80\x80", 3, 3},
        {"\xef\xbf\xbf", 3, 3},
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xf0\x90\x80\x80", 4, 4},
        {"\xf0\x9f\x98\x80", 4, 4},
        {"\xf0\x9f\x98\x80", 3, 0},
        {"\xf0\x9f\x98\x28", 4, 0},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xf8\x88\x80\x80\x80", 5, 0},
        {"\xfe", 1, 0},
        {"\xff\xff", 2, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(utf8_sequence(cases[i].bytes, cases[i].length), cases[i].sequence);
}

static void writes_every_code_point_well_formed(void **state)
{
    (void)state;
    for (unsigned code_point = 1; code_point <= 0x10ffff;
         code_point += code_point < 0x900 ? 1 : 61) {
        if (code_point >= 0xd800 && code_point <= 0xdfff)
            continue;
        text_code_point(&text, code_point);
        size_t length = code_point < 0x80      ? 1
                        : code_point < 0x800   ? 2
                        : code_point < 0x10000 ? 3
                                               : 4;
        assert_int_equal(text.length, length);
        assert_int_equal(utf8_sequence(text.data, text.length), length);
        text_clear(&text);
    }
}

static void writes_code_points_at_the_edges(void **state)
{
    static const struct {
        unsigned code_point;
        const char *bytes;
    } cases[] = {
        {0x41, "A"},
        {0x7f, "\x7f"},
        {0x80, "\xc2\x80"},
        {0x7ff, "\xdf\xbf"},
        {0x800, "\xe0\xa0\x80"},
        {0xd7ff, "\xed\x9f\xbf"},
        {0xd800, FFFD},
        {0xdfff, FFFD},
        {0xe000, "\xee\x80\x80"},
        {0xffff, "\xef\xbf\xbf"},
        {0x10000, "\xf0\x90\x80\x80"},
        {0x1f600, "😀"},
        {0x10ffff, "\xf4\x8f\xbf\xbf"},
        {0x110000, FFFD},
        {0xffffffff, FFFD},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        text_code_point(&text, cases[i].code_point);
        assert_string_equal(text_string(&text), cases[i].bytes);
        text_clear(&text);
    }
    text_code_point(&text, 0);
    assert_int_equal(text.length, 1);
}

static void counts_characters(void **state)
{
    static const struct {
        const char *string;
        size_t length;
    } cases[] = {{"", 0}, {"abc", 3}, {"你好", 2}, {"é€😀a", 4}, {"e\xcc\x81", 2}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(utf8_length(cases[i].string), cases[i].length);
}

static void cuts_on_a_character(void **state)
{
    static const struct {
        const char *string;
        size_t limit;
        const char *cut;
    } cases[] = {
        {"", 0, ""},        {"", 5, ""},          {"abc", 3, "abc"},
        {"abc", 4, "abc"},  {"abcd", 3, "ab…"},   {"abc", 1, "…"},
        {"abc", 0, ""},     {"你好", 2, "你好"},  {"你好吗", 2, "你…"},
        {"你好吗", 1, "…"}, {"a😀b😀c", 4, "a😀b…"}, {"a😀b😀c", 3, "a😀…"},
        {"😀😀😀", 2, "😀…"},   {"éééé", 3, "éé…"},   {"100% %s %n sure", 9, "100% %s …"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(utf8_cut(&arena, cases[i].string, cases[i].limit), cases[i].cut);
}

static void returns_what_fits_as_it_is(void **state)
{
    const char *string = "fits";
    (void)state;
    assert_ptr_equal(utf8_cut(&arena, string, 4), string);
    assert_ptr_equal(text_trim(&arena, string), string);
}

/* ---- comparing and trimming ---- */

static void compares_ascii_letters_without_case(void **state)
{
    static const struct {
        const char *a, *b;
        bool are_equal;
    } cases[] = {
        {"", "", true},
        {"a", "A", true},
        {"Content-TYPE", "content-type", true},
        {"a", "", false},
        {"", "a", false},
        {"abc", "abd", false},
        {"abc", "ab", false},
        {"ab", "abc", false},
        {"@", "`", false},
        {"[", "{", false},
        {"é", "É", false},
        {"你", "你", true},
        {"K", "\xe2\x84\xaa", false},
        {"a1_", "A1_", true},
        {"1", "Q", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(text_equal_ignoring_case(cases[i].a, cases[i].b), cases[i].are_equal);
}

static void trims_white_space_at_both_ends(void **state)
{
    static const struct {
        const char *string, *trimmed;
    } cases[] = {
        {"", ""},
        {" ", ""},
        {" \t\r\n\v\f", ""},
        {"a", "a"},
        {" a b ", "a b"},
        {"a\n", "a"},
        {"\na", "a"},
        {"\xe3\x80\x80", ""},
        {"\xe3\x80\x80 \xe3\x80\x80", ""},
        {"\xe3\x80\x80 你\xe3\x80\x80好 \xe3\x80\x80", "你\xe3\x80\x80好"},
        {"\xe3\x80\x81", "\xe3\x80\x81"},
        {"\xe4\xb8\x80", "\xe4\xb8\x80"},
        {"\xe3\x80", "\xe3\x80"},
        {"\xc2\xa0x", "\xc2\xa0x"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(text_trim(&arena, cases[i].string), cases[i].trimmed);
}

static void a_secret_is_masked_wherever_it_stands(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},         {"plain", "plain"}, {"key", "…"}, {"a key b", "a … b"},
        {"keykey", "……"}, {"kekeyy", "ke…y"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(text_mask(&arena, cases[i][0], "key"), cases[i][1]);
    assert_string_equal(text_mask(&arena, "key", ""), "key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(an_empty_buffer_is_an_empty_string),
        TEST(appends_in_order),
        TEST(prints_what_fits_and_what_does_not),
        TEST(a_plain_run_ends_where_it_ends),
        TEST(keeps_nul_bytes),
        TEST(grows_and_stays_terminated),
        TEST(grows_past_its_double_at_once),
        TEST(stays_empty_and_failed_after_a_failure),
        TEST(moves_into_an_arena),
        TEST(passes_its_failure_on_to_the_arena),
        TEST(writes_json_strings),
        TEST(knows_well_formed_sequences),
        TEST(writes_every_code_point_well_formed),
        TEST(writes_code_points_at_the_edges),
        TEST(counts_characters),
        TEST(cuts_on_a_character),
        TEST(returns_what_fits_as_it_is),
        TEST(compares_ascii_letters_without_case),
        TEST(trims_white_space_at_both_ends),
        TEST(a_secret_is_masked_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
