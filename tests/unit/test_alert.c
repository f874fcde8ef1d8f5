#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alert/alert.h"
#include "base/text.h"

static struct arena arena;

static int clear_arena(void **state)
{
    (void)state;
    assert_false(arena.failed);
    arena_clear(&arena);
    return 0;
}

static const char *repeated(const char *piece, size_t count)
{
    struct text text = {0};
    while (count-- > 0)
        text_puts(&text, piece);
    return text_into(&text, &arena);
}

static void titles_are_one_clean_line(void **state)
{
    static const struct {
        const char *text, *title;
    } cases[] = {
        {"plain", "plain"},
        {"  a \t b\r\nc  ", "a b c"},
        {"a\x01\x02"
         "b\x7f"
         "c",
         "a b c"},
        {"a\xc2\x85"
         "b\xe2\x80\xa8"
         "c",
         "a b c"},
        {"[TPL]{{.Labels.host}} x", "[ TPL]{ {.Labels.host}} x"},
        {" [TPL]x", "[ TPL]x"},
        {"\x01[TPL]x", "[ TPL]x"},
        {"x [TPL]", "x [TPL]"},
        {"{{{{", "{ { { {"},
        {"{\x01{", "{ {"},
        {"{ {", "{ {"},
        {"你好 🏢", "你好 🏢"},
        {"bad \xff\xc3 bytes", "bad \xef\xbf\xbd\xef\xbf\xbd bytes"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct alert alert = {0};
        alert_set_title(&alert, &arena, cases[i].text);
        assert_string_equal(alert.title, cases[i].title);
    }
}

static void an_empty_title_leaves_the_old_one(void **state)
{
    struct alert alert = {.title = "old"};
    (void)state;
    alert_set_title(&alert, &arena, " \n\x01 ");
    assert_string_equal(alert.title, "old");
}

static void a_title_is_cut_on_a_character_with_an_ellipsis(void **state)
{
    struct alert alert = {0};
    (void)state;
    alert_set_title(&alert, &arena, repeated("语", ALERT_TITLE_MAX));
    assert_string_equal(alert.title, repeated("语", ALERT_TITLE_MAX));
    alert_set_title(&alert, &arena, repeated("语", ALERT_TITLE_MAX + 1));
    assert_int_equal(utf8_length(alert.title), ALERT_TITLE_MAX);
    assert_string_equal(alert.title + strlen(alert.title) - 3, "…");
}

static void a_description_keeps_its_lines_whatever_is_cut(void **state)
{
    struct alert alert = {0};
    (void)state;
    alert_set_description(&alert, &arena, repeated("长", 5000), "Link: https://example.com/x");
    assert_int_equal(utf8_length(alert.description), ALERT_DESCRIPTION_MAX);
    assert_non_null(strstr(alert.description, "…\n\nLink: https://example.com/x"));
    alert_set_description(&alert, &arena, "", "Link: x");
    assert_string_equal(alert.description, "Link: x");
    alert_set_description(&alert, &arena, "a\r\nb\rc\x07\td", "");
    assert_string_equal(alert.description, "a\nb\nc\td");
    alert_set_description(&alert, &arena, repeated("x", 5000), repeated("y", 5000));
    assert_true(utf8_length(alert.description) <= ALERT_DESCRIPTION_MAX);
}

static void descriptions_and_labels_are_no_templates_either(void **state)
{
    struct alert alert = {0};
    (void)state;
    alert_set_description(&alert, &arena, "[TPL]{{x}}", "{{y}}");
    assert_string_equal(alert.description, "[ TPL]{ {x}}\n\n{ {y}}");
    alert_add_label(&alert, &arena, "check", "[TPL]{{ host }}");
    assert_string_equal(alert_label(&alert, "check"), "[ TPL]{ { host }}");
}

static void label_names_are_made_valid(void **state)
{
    static const struct {
        const char *text, *name;
    } cases[] = {
        {"host", "host"},          {"host-name", "host_name"},
        {"@level", "_level"},      {"k8s.pod.name", "k8s_pod_name"},
        {"1st_zone", "_1st_zone"}, {"a医院b", "a__b"},
        {"医院", "tag_1f6835c0"},  {"", "tag_e3b0c442"},
        {"__", "tag_9911f4d2"},    {"a\"},{", "a____"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(alert_label_name(&arena, cases[i].text), cases[i].name);
    assert_int_equal(strlen(alert_label_name(&arena, repeated("n", 500))), ALERT_LABEL_NAME_MAX);
}

static void labels_are_added_once_and_fifty_at_most(void **state)
{
    struct alert alert = {0};
    (void)state;
    assert_true(alert_add_label(&alert, &arena, "a", "1"));
    assert_false(alert_add_label(&alert, &arena, "a", "2"));
    assert_string_equal(alert_label(&alert, "a"), "1");
    assert_false(alert_add_label(&alert, &arena, "b", NULL));
    assert_false(alert_add_label(&alert, &arena, "b", ""));
    assert_false(alert_add_label(&alert, &arena, "b", " \x01 "));
    for (int i = 0; i < 60; i++)
        alert_add_label(&alert, &arena, arena_printf(&arena, "n%d", i), "v");
    assert_int_equal(alert.label_count, ALERT_LABELS_MAX);
    assert_null(alert_label(&alert, "n49"));
    alert_force_label(&alert, &arena, "team", "payments");
    assert_int_equal(alert.label_count, ALERT_LABELS_MAX);
    assert_string_equal(alert_label(&alert, "team"), "payments");
    assert_null(alert_label(&alert, "n48"));
    alert_force_label(&alert, &arena, "a", "3");
    assert_string_equal(alert_label(&alert, "a"), "3");
    assert_int_equal(alert.label_count, ALERT_LABELS_MAX);
}

static void label_values_are_cut_on_characters(void **state)
{
    struct alert alert = {0};
    (void)state;
    alert_add_label(&alert, &arena, "long", repeated("🏢", 3000));
    assert_int_equal(utf8_length(alert_label(&alert, "long")), ALERT_LABEL_VALUE_MAX);
}

static void severities_are_named_without_case(void **state)
{
    enum severity severity;
    (void)state;
    assert_true(severity_from_name("critical", &severity));
    assert_int_equal(severity, SEVERITY_CRITICAL);
    assert_true(severity_from_name("OK", &severity));
    assert_int_equal(severity, SEVERITY_OK);
    assert_false(severity_from_name("Crit", &severity));
    assert_false(severity_from_name("", &severity));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(titles_are_one_clean_line, clear_arena),
        cmocka_unit_test_teardown(an_empty_title_leaves_the_old_one, clear_arena),
        cmocka_unit_test_teardown(a_title_is_cut_on_a_character_with_an_ellipsis, clear_arena),
        cmocka_unit_test_teardown(a_description_keeps_its_lines_whatever_is_cut, clear_arena),
        cmocka_unit_test_teardown(descriptions_and_labels_are_no_templates_either, clear_arena),
        cmocka_unit_test_teardown(label_names_are_made_valid, clear_arena),
        cmocka_unit_test_teardown(labels_are_added_once_and_fifty_at_most, clear_arena),
        cmocka_unit_test_teardown(label_values_are_cut_on_characters, clear_arena),
        cmocka_unit_test_teardown(severities_are_named_without_case, clear_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
