/*
 * Routing without a configuration: what expressions may cost, what they mean beside RE2's rules,
 * and that wildcards are what they are said to be. The conditions themselves are tested through the
 * endpoint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/text.h"
#include "routing/filter.h"
#include "routing/re2_syntax.h"
#include "routing/routes.h"

/* What a pathological expression and text may cost; sanitizers make it many times that. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COST_MS_MAX 1000
#else
#define COST_MS_MAX 50
#endif

static int64_t processor_ms(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A text of piece again and again, as long as a label may be, then tail. */
static char *repeat(const char *piece, const char *tail)
{
    struct text text = {0};
    while (text.length + strlen(piece) + strlen(tail) <= ALERT_LABEL_VALUE_MAX)
        text_puts(&text, piece);
    text_puts(&text, tail);
    char *copy = strdup(text_string(&text));
    assert_non_null(copy);
    text_clear(&text);
    return copy;
}

static enum expression_result find(const char *pattern, const char *text)
{
    struct arena arena = {0};
    struct syntax_problem problem;
    const struct expression *expression =
        expression_compile(pattern, strlen(pattern), &arena, &problem);
    if (!expression)
        fail_msg("%s: at %zu: %s", pattern, problem.offset, problem.expected);
    enum expression_result result = expression_find(expression, text);
    arena_clear(&arena);
    return result;
}

static void no_expression_and_text_cost_much(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *piece, *tail;
    } rows[] = {
        {"(a+)+$", "a", "!"},
        {"(a|a)*$", "a", "!"},
        {"(a|aa)+$", "a", "!"},
        {"(.*a){20}$", "a", "!"},
        {"(.*)*x\\d", "a", "x"},
        {"(?:a?){100}a{100}b\\d", "a", "b"},
        {"^(([a-z])+.)+[A-Z]([a-z])+$", "a", ""},
        {"(a*)*(b*)*(c*)*d\\d", "abc", "d"},
        {"(\\w+\\s?)+x\\d", "aaa ", "x"},
        {"((a{1,10}){1,10}){1,10}b\\d", "a", "b"},
        {"(?:.?){1000}x\\d", "a", "x"},
        {"a{1000}b|a{1000}c|a{1000}d|a{1000}e|a{1000}f|a{1000}g|a{1000}h", "a", ""},
        {"([^x]*a|[^x]*b|[^x]*c)*x\\d", "abc", "x"},
        {"(?i)(\\p{Han}+)+[a-z]$", "\xe4\xb8\xad", "!"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = repeat(rows[i].piece, rows[i].tail);
        int64_t since_ms = processor_ms();
        (void)find(rows[i].pattern, text);
        int64_t took_ms = processor_ms() - since_ms;
        if (took_ms >= COST_MS_MAX)
            fail_msg("%s took %lld ms", rows[i].pattern, (long long)took_ms);
        free(text);
    }
}

static void what_is_too_costly_counts_as_met(void **state)
{
    (void)state;
    static const char *const texts[] = {"title == /(a+)+$/", "title != /(a+)+$/"};
    struct alert alert = {.severity = SEVERITY_CRITICAL, .title = repeat("a", "!")};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct arena arena = {0};
        struct syntax_problem problem;
        struct filter filter;
        assert_true(filter_parse(texts[i], &arena, &filter, &problem));
        struct judgement judgement = condition_judge(&filter.conditions[0], &alert);
        assert_true(judgement.is_limited);
        assert_true(judgement.holds);
        const struct route route = {.name = "a",
                                    .filters = &filter,
                                    .filter_count = 1,
                                    .destination = {"a", "key-a"},
                                    .goes_on = true};
        const struct routing routing = {.routes = &route, .count = 1};
        struct choice choice = routing_choose(&routing, &alert, &arena, NULL);
        assert_int_equal(choice.count, 1);
        assert_ptr_equal(choice.limited, &filter.conditions[0]);
        arena_clear(&arena);
    }
    free((char *)(uintptr_t)alert.title);
}

/* Usual expressions are far from the limits, on the longest text that there is. */
static void usual_expressions_are_judged(void **state)
{
    (void)state;
    char *text = repeat("the quick brown fox jumps over the lazy dog; ", "error code 17");
    assert_int_equal(find("error code \\d+$", text), EXPRESSION_FOUND);
    assert_int_equal(find(".*error.*", text), EXPRESSION_FOUND);
    assert_int_equal(find(".*errors.*", text), EXPRESSION_ABSENT);
    assert_int_equal(find("quick.*lazy cat", text), EXPRESSION_ABSENT);
    assert_int_equal(find("(quick|slow) (brown|red) (wolf|bear)", text), EXPRESSION_ABSENT);
    assert_int_equal(find("^.*fox.*cat$", text), EXPRESSION_ABSENT);
    assert_int_equal(find("(?i)ERROR CODE [0-9]{2}", text), EXPRESSION_FOUND);
    assert_int_equal(find("[a-z]+ [a-z]+ [a-z]+ [a-z]+ [0-9]+", text), EXPRESSION_ABSENT);
    free(text);
}

static void expressions_mean_what_they_mean_to_re2(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool is_found;
    } rows[] = {
        {"", "", true},
        {"", "x", true},
        {"a$", "a\n", false}, /* $ is the end of the text, and no line break before it */
        {"(?m)a$", "a\nb", true},
        {"(?m)^$", "a\n", true},
        {"a.b", "a\nb", false},
        {"(?s)a.b", "a\nb", true},
        {"[^a]", "\n", true},
        {"\\s", "\v", false},
        {"\\S", "\v", true},
        {"[\\s]", "\v", false},
        {"[\\S]", "\v", true},
        {"[[:space:]]", "\v", true},
        {"\\v", "\v", true},
        {"\\v", "\f", false},
        {"\\a", "\a", true},
        {"\\d", "\xd9\xa1", false}, /* ARABIC-INDIC DIGIT ONE */
        {"\\w", "\xc3\xa9", false},
        {"\\bx", "\xc3\xa9x", true},
        {"(?i)\xc3\x89", "\xc3\xa9", true},
        {"^.$", "\xe4\xb8\xad", true},
        {"\\x{4e2d}", "\xe4\xb8\xad", true},
        {"\\x41", "A", true},
        {"\\p{Lu}", "A", true},
        {"\\P{^Lu}", "A", true},
        {"\\pL", "1", false},
        {"\\p{Han}", "\xe3\x80\x81", false}, /* shared by scripts, Han among them */
        {"\\Qa.b\\E+", "a.bb", true},
        {"\\Qa.b", "axb", false},
        {"[]a]", "]", true},
        {"[^]a]", "]", false},
        {"[a-]", "-", true},
        {"[-a]", "-", true},
        {"[a\\-z]", "m", false},
        {"[[a]", "[", true},
        {"a{2}", "aa", true},
        {"a{2,}?b", "aaab", true},
        {"^a{0,1}$", "aa", false},
        {"(?P<name>a)b", "ab", true},
        {"(?i:A)b", "ab", true},
        {"(?i:A)b", "aB", false},
        {"(?i)a(?-i)b", "Ab", true},
        {"(?U)a+b", "aab", true},
        {"]", "]", true},
        {"}", "}", true},
        {"\\/", "/", true},
        {"a|", "", true},
        {"(|a)*b", "aab", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum expression_result wanted = rows[i].is_found ? EXPRESSION_FOUND : EXPRESSION_ABSENT;
        if (find(rows[i].pattern, rows[i].text) != wanted)
            fail_msg("row %zu: /%s/", i, rows[i].pattern);
    }
}

static void expressions_that_are_too_large_are_refused(void **state)
{
    (void)state;
    char *longest = repeat("a", "");
    struct arena arena = {0};
    struct syntax_problem problem;
    longest[EXPRESSION_BYTES_MAX] = '\0';
    assert_non_null(expression_compile(longest, EXPRESSION_BYTES_MAX, &arena, &problem));
    assert_null(expression_compile(longest, EXPRESSION_BYTES_MAX + 1, &arena, &problem));
    assert_non_null(problem.expected);
    static const char nested[] = "((a{10}b){10}){11}";
    char huge[512];
    snprintf(huge, sizeof huge, "(%0300d){1000}", 0);
    assert_null(expression_compile(nested, strlen(nested), &arena, &problem));
    assert_non_null(strstr(problem.expected, "over 1000"));
    assert_int_equal(problem.offset, strlen("((a{10}b){10})"));
    assert_null(expression_compile(huge, strlen(huge), &arena, &problem));
    assert_string_equal(problem.expected,
                        "a smaller expression: its repetitions make this one too large");
    assert_false(arena.failed);
    arena_clear(&arena);
    free(longest);
}

/* ---- wildcards against a matcher that tries everything ---- */

static bool matches(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*')
        return matches(pattern + 1, text) || (*text && matches(pattern, text + 1));
    return *text && (*pattern == '?' || *pattern == *text) && matches(pattern + 1, text + 1);
}

static void wildcards_match_as_said(void **state)
{
    (void)state;
    unsigned seed = 20261125;
    for (int round = 0; round < 20000; round++) {
        struct arena arena = {0};
        struct syntax_problem problem;
        struct filter_value value;
        char pattern[8] = "", text[10] = "";
        int pattern_length = 1 + rand_r(&seed) % 7, text_length = rand_r(&seed) % 9;
        for (int i = 0; i < pattern_length; i++)
            pattern[i] = "ab*?"[rand_r(&seed) % 4];
        for (int i = 0; i < text_length; i++)
            text[i] = "ab"[rand_r(&seed) % 2];
        assert_true(value_parse(pattern, strlen(pattern), &arena, &value, &problem));
        bool wanted = matches(pattern, text);
        if ((value_match(&value, text) == MATCH_YES) != wanted)
            fail_msg("%s %s %s", text, wanted ? "matches" : "does not match", pattern);
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_expression_and_text_cost_much),
        cmocka_unit_test(what_is_too_costly_counts_as_met),
        cmocka_unit_test(usual_expressions_are_judged),
        cmocka_unit_test(expressions_mean_what_they_mean_to_re2),
        cmocka_unit_test(expressions_that_are_too_large_are_refused),
        cmocka_unit_test(wildcards_match_as_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
