#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"

#include "../fuzz/fuzz_json.c"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(literal) (literal), sizeof(literal) - 1
#define FFFD "\xef\xbf\xbd"

/* A body, and how its tree prints. */
struct accepted {
    const char *bytes;
    size_t length;
    const char *printed;
};

/* A body, and its error. */
struct refused {
    const char *bytes;
    size_t length;
    const char *text;
};

static struct arena arena;
static struct json json;

static int begin(void **state)
{
    (void)state;
    arena_clear(&arena);
    memset(&json, 0, sizeof json);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_false(arena.failed);
    arena_clear(&arena);
    json_clear(&json);
    return 0;
}

/* Parses from memory that ends where the bytes end, so that the sanitizers see a byte too far. */
static bool parse_copy(const char *bytes, size_t length, const char **printed, struct error *error)
{
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    *error = (struct error){0};
    bool is_json = json_parse(length ? copy : NULL, length, &json, error);
    *printed = json_compact(&arena, json.root);
    assert_true(is_json == (json.root != NULL));
    json_clear(&json);
    free(copy);
    return is_json;
}

static void parse(const char *bytes, size_t length)
{
    struct error error = {0};
    if (!json_parse(bytes, length, &json, &error))
        fail_msg("%.*s: %s", (int)length, bytes, error.text);
}

static void parse_string(const char *string)
{
    parse(string, strlen(string));
}

static void accepts(const struct accepted *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *printed;
        struct error error;
        if (!parse_copy(cases[i].bytes, cases[i].length, &printed, &error))
            fail_msg("case %zu: %s: refused: %s", i, cases[i].bytes, error.text);
        assert_int_equal(error.code, ERROR_NONE);
        if (strcmp(printed, cases[i].printed) != 0)
            fail_msg("case %zu: %s: became %s", i, cases[i].bytes, printed);
    }
}

static void refuses(const struct refused *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *printed;
        struct error error;
        if (parse_copy(cases[i].bytes, cases[i].length, &printed, &error))
            fail_msg("case %zu: %s: accepted as %s", i, cases[i].bytes, printed);
        assert_int_equal(error.code, ERROR_INVALID);
        if (cases[i].text)
            assert_string_equal(error.text, cases[i].text);
        assert_true(*error.text);
    }
}

/* ---- what is JSON ---- */

static void accepts_structures(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("[]"), "[]"},
        {BYTES("{}"), "{}"},
        {BYTES("[ ]"), "[]"},
        {BYTES("{ }"), "{}"},
        {BYTES(" \t\r\n[]\n\r\t "), "[]"},
        {BYTES("[[]]"), "[[]]"},
        {BYTES("[[],[]]"), "[[],[]]"},
        {BYTES("[[[[[[[[[[]]]]]]]]]]"), "[[[[[[[[[[]]]]]]]]]]"},
        {BYTES("[{}]"), "[{}]"},
        {BYTES("[{},[],{}]"), "[{},[],{}]"},
        {BYTES("[1,2,3]"), "[1,2,3]"},
        {BYTES("[1\n,2 ,\t3]"), "[1,2,3]"},
        {BYTES("[null, 1, \"1\", {}]"), "[null,1,\"1\",{}]"},
        {BYTES("[true,false,null]"), "[true,false,null]"},
        {BYTES("[1,null,null,null,2]"), "[1,null,null,null,2]"},
        {BYTES("{\"a\":1}"), "{\"a\":1}"},
        {BYTES("{ \"a\" : 1 , \"b\" : [ ] }"), "{\"a\":1,\"b\":[]}"},
        {BYTES("{\"\":0}"), "{\"\":0}"},
        {BYTES("{\"a\":{\"b\":{\"c\":{}}}}"), "{\"a\":{\"b\":{\"c\":{}}}}"},
        {BYTES("{\"a\":[],\"b\":{}}"), "{\"a\":[],\"b\":{}}"},
        {BYTES("{\"a\":[{\"b\":[1]},2],\"c\":3}"), "{\"a\":[{\"b\":[1]},2],\"c\":3}"},
        {BYTES("{\"a\":1,\"a\":2}"), "{\"a\":1,\"a\":2}"},
        {BYTES("{\"a\":1,\"A\":2}"), "{\"a\":1,\"A\":2}"},
        {BYTES("{\"a b\":\"c d\"}"), "{\"a b\":\"c d\"}"},
        {BYTES("{\"\\u0061\":1}"), "{\"a\":1}"},
        {BYTES("{\"\\\"\":1}"), "{\"\\\"\":1}"},
        {BYTES("{\"a\":\n\n1}"), "{\"a\":1}"},
        {BYTES("\xef\xbb\xbf{}"), "{}"},
        {BYTES("\xef\xbb\xbf \n[1]"), "[1]"},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

static void accepts_a_lonely_scalar(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("null"), "null"},   {BYTES("true"), "true"},
        {BYTES("false"), "false"}, {BYTES("0"), "0"},
        {BYTES("-1"), "-1"},       {BYTES("42 "), "42"},
        {BYTES(" 42"), "42"},      {BYTES("\"\""), "\"\""},
        {BYTES("\"a\""), "\"a\""}, {BYTES("\n\"a\"\n"), "\"a\""},
        {BYTES("1.5e3"), "1500"},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

static void accepts_numbers(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("[0]"), "[0]"},
        {BYTES("[-0]"), "[-0]"},
        {BYTES("[-0.0]"), "[-0]"},
        {BYTES("[0.0]"), "[0]"},
        {BYTES("[0e1]"), "[0]"},
        {BYTES("[0E+1]"), "[0]"},
        {BYTES("[0e-999]"), "[0]"},
        {BYTES("[0.000e999]"), "[0]"},
        {BYTES("[10]"), "[10]"},
        {BYTES("[-10]"), "[-10]"},
        {BYTES("[123456789]"), "[123456789]"},
        {BYTES("[1.0]"), "[1]"},
        {BYTES("[1.5]"), "[1.5]"},
        {BYTES("[-1.5]"), "[-1.5]"},
        {BYTES("[0.1]"), "[0.1]"},
        {BYTES("[0.5e1]"), "[5]"},
        {BYTES("[1e2]"), "[100]"},
        {BYTES("[1E2]"), "[100]"},
        {BYTES("[1e+2]"), "[100]"},
        {BYTES("[1E+2]"), "[100]"},
        {BYTES("[1e-2]"), "[0.01]"},
        {BYTES("[1E-2]"), "[0.01]"},
        {BYTES("[123.456e78]"), "[1.23456e+80]"},
        {BYTES("[1e00002]"), "[100]"},
        {BYTES("[1e22]"), "[1e+22]"},
        {BYTES("[1e308]"), "[1e+308]"},
        {BYTES("[-1.7e308]"), "[-1.7e+308]"},
        {BYTES("[2.3e-308]"), "[2.3e-308]"},
        {BYTES("[1700000000000]"), "[1700000000000]"},
        {BYTES("[123456789012345]"), "[123456789012345]"},
        {BYTES("[0.123456789012345]"), "[0.123456789012345]"},
        {BYTES("[99.3333333333333]"), "[99.3333333333333]"},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

static void accepts_strings(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {BYTES("\"\\u0041\\u00e9\\u20AC\""), "\"Aé€\""},
        {BYTES("\"\\u00E9\\u00eF\""), "\"éï\""},
        {BYTES("\"\\ud83d\\ude00\""), "\"😀\""},
        {BYTES("\"\\uD83D\\uDE00\""), "\"😀\""},
        {BYTES("\"\\ud800\\udc00\""), "\"\xf0\x90\x80\x80\""},
        {BYTES("\"\\uDBFF\\uDFFF\""), "\"\xf4\x8f\xbf\xbf\""},
        {BYTES("\"\\uffff\\ufffe\""), "\"\xef\xbf\xbf\xef\xbf\xbe\""},
        {BYTES("\"\\ud7ff\\ue000\""), "\"\xed\x9f\xbf\xee\x80\x80\""},
        {BYTES("\"\\u0001\\u001f\""), "\"\\u0001\\u001f\""},
        {BYTES("\"\\u000a\\u0022\\u005C\""), "\"\\n\\\"\\\\\""},
        {BYTES("\"\\u007f\x7f\""), "\"\x7f\x7f\""},
        {BYTES("\"\\u2028\xe2\x80\xa9\""), "\"\xe2\x80\xa8\xe2\x80\xa9\""},
        {BYTES("\"\\\\u0041\""), "\"\\\\u0041\""},
        {BYTES("\"\\\\\\\\n\""), "\"\\\\\\\\n\""},
        {BYTES("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""), "\"é€😀\""},
        {BYTES("\"\xef\xbb\xbf\""), "\"\xef\xbb\xbf\""},
        {BYTES("\"\xef\xbf\xbf\""), "\"\xef\xbf\xbf\""},
        {BYTES("\"/\""), "\"/\""},
        {BYTES("\"'\""), "\"'\""},
        {BYTES("\"[1,{}\""), "\"[1,{}\""},
        {BYTES("\" \""), "\" \""},
        {BYTES("[\"a\",\"b\"]"), "[\"a\",\"b\"]"},
        {BYTES("{\"\\u4f60好\":\"\\n\"}"), "{\"你好\":\"\\n\"}"},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

/* ---- what is repaired ---- */

static void repairs_ill_formed_utf8(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("\"\xff\""), "\"" FFFD "\""},
        {BYTES("\"a\x80z\""), "\"a" FFFD "z\""},
        {BYTES("\"\xc0\xaf\""), "\"" FFFD FFFD "\""},
        {BYTES("\"\xc1\xbf\""), "\"" FFFD FFFD "\""},
        {BYTES("\"\xe0\x80\xaf\""), "\"" FFFD FFFD FFFD "\""},
        {BYTES("\"\xed\xa0\x80\""), "\"" FFFD FFFD FFFD "\""},
        {BYTES("\"\xed\xb0\x80\""), "\"" FFFD FFFD FFFD "\""},
        {BYTES("\"\xf0\x80\x80\xaf\""), "\"" FFFD FFFD FFFD FFFD "\""},
        {BYTES("\"\xf4\x90\x80\x80\""), "\"" FFFD FFFD FFFD FFFD "\""},
        {BYTES("\"\xf5\x80\x80\x80\""), "\"" FFFD FFFD FFFD FFFD "\""},
        {BYTES("\"\xe4\""), "\"" FFFD "\""},
        {BYTES("\"\xe4\xbd\""), "\"" FFFD FFFD "\""},
        {BYTES("\"\xf0\x9f\x98\""), "\"" FFFD FFFD FFFD "\""},
        {BYTES("\"\xe4\xbd\\n\""), "\"" FFFD FFFD "\\n\""},
        {BYTES("{\"\xff\":1}"), "{\"" FFFD "\":1}"},
        {BYTES("[\"\xfe\",\"ok\"]"), "[\"" FFFD "\",\"ok\"]"},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

static void repairs_nul_and_lone_surrogates(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("\"\\u0000\""), "\"" FFFD "\""},
        {BYTES("\"a\\u0000b\""), "\"a" FFFD "b\""},
        {BYTES("{\"a\\u0000b\":1}"), "{\"a" FFFD "b\":1}"},
        {BYTES("\"\\ud83d\""), "\"" FFFD "\""},
        {BYTES("\"\\ude00\""), "\"" FFFD "\""},
        {BYTES("\"\\ud83dx\""), "\"" FFFD "x\""},
        {BYTES("\"\\ud83d\\n\""), "\"" FFFD "\\n\""},
        {BYTES("\"\\ud83d\\u0041\""), "\"" FFFD "A\""},
        {BYTES("\"\\ud83d\\ud83d\\ude00\""), "\"" FFFD "😀\""},
        {BYTES("\"\\ude00\\ud83d\""), "\"" FFFD FFFD "\""},
        {BYTES("\"\\ud83d\\u0000\""), "\"" FFFD FFFD "\""},
        {BYTES("\"\\ud83d\\\\ude00\""), "\"" FFFD "\\\\ude00\""},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

static void reads_the_words_of_python_as_null(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("NaN"), "null"},
        {BYTES("Infinity"), "null"},
        {BYTES("-Infinity"), "null"},
        {BYTES("[NaN, Infinity,-Infinity ]"), "[null,null,null]"},
        {BYTES("{\"a\":NaN,\"b\":-Infinity}"), "{\"a\":null,\"b\":null}"},
        {BYTES("\"NaN\""), "\"NaN\""},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

static void keeps_every_digit_of_a_number(void **state)
{
    static const struct accepted cases[] = {
        {BYTES("9007199254740991"), "9007199254740991"},
        {BYTES("9007199254740992"), "9007199254740992"},
        {BYTES("-9007199254740992"), "-9007199254740992"},
        {BYTES("9007199254740993"), "\"9007199254740993\""},
        {BYTES("-9007199254740993"), "\"-9007199254740993\""},
        {BYTES("9007199254740994"), "\"9007199254740994\""},
        {BYTES("1234567890123456"), "1234567890123456"},
        {BYTES("12345678901234567890"), "\"12345678901234567890\""},
        {BYTES("100000000000000000000"), "\"100000000000000000000\""},
        {BYTES("[18446744073709551616]"), "[\"18446744073709551616\"]"},
        {BYTES("0.1234567890123456"), "\"0.1234567890123456\""},
        {BYTES("0.30000000000000004"), "\"0.30000000000000004\""},
        {BYTES("3.141592653589793238"), "\"3.141592653589793238\""},
        {BYTES("1e400"), "\"1e400\""},
        {BYTES("-1E400"), "\"-1E400\""},
        {BYTES("1.8e308"), "\"1.8e308\""},
        {BYTES("1e-400"), "\"1e-400\""},
        {BYTES("5e-324"), "\"5e-324\""},
        {BYTES("1e99999999999999999999"), "\"1e99999999999999999999\""},
        {BYTES("{\"id\":90071992547409931}"), "{\"id\":\"90071992547409931\"}"},
        /* Longer than the 63 bytes that cJSON reads of a number. */
        {BYTES("[0.0000000000000000000000000000000000000000000000000000000000000000000001]"),
         "[\"0.0000000000000000000000000000000000000000000000000000000000000000000001\"]"},
        {BYTES("[100000000000000000000000000000000000000000000000000000000000000000e-65]"),
         "[\"100000000000000000000000000000000000000000000000000000000000000000e-65\"]"},
        {BYTES("[1e0000000000000000000000000000000000000000000000000000000000001]"), "[10]"},
    };
    (void)state;
    accepts(cases, COUNT(cases));
}

/* ---- what is no JSON ---- */

static void says_what_was_expected_where(void **state)
{
    static const struct refused cases[] = {
        {BYTES(""), "the body is empty: expected JSON"},
        {BYTES(" \n\t"), "the body is empty: expected JSON"},
        {BYTES("\xef\xbb\xbf"), "the body is empty: expected JSON"},
        {BYTES("hello"), "not JSON: expected a value at byte 0"},
        {BYTES("a=1&b=2"), "not JSON: expected a value at byte 0"},
        {BYTES("{\"a\":1 \"b\":2}"), "not JSON: expected ',' or '}' at byte 7"},
        {BYTES("[1 2]"), "not JSON: expected ',' or ']' at byte 3"},
        {BYTES("[1,]"), "not JSON: expected a value at byte 3"},
        {BYTES("{\"a\" 1}"), "not JSON: expected ':' at byte 5"},
        {BYTES("{a:1}"), "not JSON: expected a member's name at byte 1"},
        {BYTES("{\"a\":1,}"), "not JSON: expected a member's name at byte 7"},
        {BYTES("{} {}"), "not JSON: expected the end at byte 3"},
        {BYTES("[01]"), "not JSON: expected ',' or ']' at byte 2"},
        {BYTES("[1.]"), "not JSON: expected a digit at byte 3"},
        {BYTES("\"a\nb\""), "not JSON: expected an escape for a control character at byte 2"},
        {BYTES("\"\\x41\""), "not JSON: expected one of \"\\/bfnrtu at byte 2"},
        {BYTES("\"\\u12g4\""), "not JSON: expected four hexadecimal digits at byte 3"},
        {BYTES("\"abc"), "not JSON: expected the end of a string at byte 4, where it ends"},
        {BYTES("{\"a\":1"), "not JSON: expected ',' or '}' at byte 6, where it ends"},
        {BYTES("\xef\xbb\xbf[,]"), "not JSON: expected a value at byte 4"},
    };
    (void)state;
    refuses(cases, COUNT(cases));
}

static void refuses_broken_structures(void **state)
{
    static const struct refused cases[] = {
        {BYTES("["), NULL},
        {BYTES("]"), NULL},
        {BYTES("{"), NULL},
        {BYTES("}"), NULL},
        {BYTES("[1"), NULL},
        {BYTES("[1,"), NULL},
        {BYTES("[,1]"), NULL},
        {BYTES("[1,,2]"), NULL},
        {BYTES("[1,2,]"), NULL},
        {BYTES("[,]"), NULL},
        {BYTES("[1]]"), NULL},
        {BYTES("[1}"), NULL},
        {BYTES("{\"a\":1]"), NULL},
        {BYTES("[1:2]"), NULL},
        {BYTES("[\"a\":1]"), NULL},
        {BYTES("[\"a\" \"b\"]"), NULL},
        {BYTES("[1;2]"), NULL},
        {BYTES("[[]"), NULL},
        {BYTES("[][]"), NULL},
        {BYTES("[]x"), NULL},
        {BYTES("[]\x00"), NULL},
        {BYTES("\x00[]"), NULL},
        {BYTES("[\x00]"), NULL},
        {BYTES("[1\x00,2]"), NULL},
        {BYTES("[]\f"), NULL},
        {BYTES("\v[]"), NULL},
        {BYTES("[\xc2\xa0]"), NULL},
        {BYTES("\xe2\x81\xa0[]"), NULL},
        {BYTES("[\xff]"), NULL},
        {BYTES("\xef\xbb[]"), NULL},
        {BYTES("\xef\xbb\xbf\xef\xbb\xbf[]"), NULL},
        {BYTES("[]\xef\xbb\xbf"), NULL},
        {BYTES("\xff\xfe[\x00]\x00"), NULL},
        {BYTES("{\"a\"}"), NULL},
        {BYTES("{\"a\":}"), NULL},
        {BYTES("{\"a\":1,,\"b\":2}"), NULL},
        {BYTES("{,}"), NULL},
        {BYTES("{:1}"), NULL},
        {BYTES("{1:1}"), NULL},
        {BYTES("{null:1}"), NULL},
        {BYTES("{NaN:1}"), NULL},
        {BYTES("{'a':1}"), NULL},
        {BYTES("{\"a\"::1}"), NULL},
        {BYTES("{\"a\":1:2}"), NULL},
        {BYTES("{\"a\",1}"), NULL},
        {BYTES("{\"a\":1 2}"), NULL},
        {BYTES("{\"a\":1}}"), NULL},
        {BYTES("{\"a\":1}#"), NULL},
        {BYTES("{\"a\":1}//"), NULL},
        {BYTES("{\"a\":1/**/}"), NULL},
        {BYTES("/**/{}"), NULL},
        {BYTES("[{\"a\":1},]"), NULL},
        {BYTES("{\"a\":[1,]}"), NULL},
        {BYTES("1 2"), NULL},
        {BYTES("null null"), NULL},
        {BYTES("<a/>"), NULL},
    };
    (void)state;
    refuses(cases, COUNT(cases));
}

static void refuses_broken_words(void **state)
{
    static const struct refused cases[] = {
        {BYTES("nul"), NULL},         {BYTES("nulll"), NULL},        {BYTES("NULL"), NULL},
        {BYTES("Null"), NULL},        {BYTES("True"), NULL},         {BYTES("tru"), NULL},
        {BYTES("[truefalse]"), NULL}, {BYTES("FALSE"), NULL},        {BYTES("fals"), NULL},
        {BYTES("nan"), NULL},         {BYTES("-NaN"), NULL},         {BYTES("+NaN"), NULL},
        {BYTES("NaN0"), NULL},        {BYTES("inf"), NULL},          {BYTES("Inf"), NULL},
        {BYTES("-Inf"), NULL},        {BYTES("+Infinity"), NULL},    {BYTES("--Infinity"), NULL},
        {BYTES("- Infinity"), NULL},  {BYTES("infinity"), NULL},     {BYTES("undefined"), NULL},
        {BYTES("[None]"), NULL},      {BYTES("\xef\xbc\x91"), NULL},
    };
    (void)state;
    refuses(cases, COUNT(cases));
}

static void refuses_broken_numbers(void **state)
{
    static const struct refused cases[] = {
        {BYTES("-"), NULL},      {BYTES("+1"), NULL},    {BYTES("--1"), NULL},
        {BYTES("- 1"), NULL},    {BYTES("01"), NULL},    {BYTES("-01"), NULL},
        {BYTES("00"), NULL},     {BYTES("-00"), NULL},   {BYTES("1."), NULL},
        {BYTES(".5"), NULL},     {BYTES("-.5"), NULL},   {BYTES("1.e1"), NULL},
        {BYTES("0."), NULL},     {BYTES("0.e1"), NULL},  {BYTES("1.2.3"), NULL},
        {BYTES("1e"), NULL},     {BYTES("1E"), NULL},    {BYTES("1e+"), NULL},
        {BYTES("1e-"), NULL},    {BYTES("1e1.5"), NULL}, {BYTES("1e+-1"), NULL},
        {BYTES("1ee1"), NULL},   {BYTES("0x1F"), NULL},  {BYTES("0x"), NULL},
        {BYTES("1a"), NULL},     {BYTES("1 000"), NULL}, {BYTES("1,5"), NULL},
        {BYTES("1_000"), NULL},  {BYTES("1+2"), NULL},   {BYTES("1-2"), NULL},
        {BYTES("1f"), NULL},     {BYTES("e1"), NULL},    {BYTES("-a"), NULL},
        {BYTES("[0e]"), NULL},   {BYTES("[0e+]"), NULL}, {BYTES("[-]"), NULL},
        {BYTES("[1.5.]"), NULL},
    };
    (void)state;
    refuses(cases, COUNT(cases));
}

static void refuses_broken_strings(void **state)
{
    static const struct refused cases[] = {
        {BYTES("\""), NULL},
        {BYTES("\"a"), NULL},
        {BYTES("'a'"), NULL},
        {BYTES("a\""), NULL},
        {BYTES("\"a\"b\""), NULL},
        {BYTES("\"\\"), NULL},
        {BYTES("\"\\\""), NULL},
        {BYTES("\"\\\\\\\""), NULL},
        {BYTES("\"\\a\""), NULL},
        {BYTES("\"\\'\""), NULL},
        {BYTES("\"\\0\""), NULL},
        {BYTES("\"\\N\""), NULL},
        {BYTES("\"\\U0041\""), NULL},
        {BYTES("\"\\ \""), NULL},
        {BYTES("\"\\\n\""), NULL},
        {BYTES("\"\\\x00\""), NULL},
        {BYTES("\"\\\xe4\xbd\xa0\""), NULL},
        {BYTES("\"\\u\""), NULL},
        {BYTES("\"\\u1\""), NULL},
        {BYTES("\"\\u123\""), NULL},
        {BYTES("\"\\u123"), NULL},
        {BYTES("\"\\uqqqq\""), NULL},
        {BYTES("\"\\u 123\""), NULL},
        {BYTES("\"\\u-123\""), NULL},
        {BYTES("\"\\u+123\""), NULL},
        {BYTES("\"\\u0x41\""), NULL},
        {BYTES("\"\\ud83d\\u\""), NULL},
        {BYTES("\"\\ud83d\\uqqqq\""), NULL},
        {BYTES("\"\\ud83d\\"), NULL},
        {BYTES("\"\\ud83d\\u12"), NULL},
        {BYTES("\"\x00\""), NULL},
        {BYTES("\"a\x00z\""), NULL},
        {BYTES("\"\x01\""), NULL},
        {BYTES("\"\t\""), NULL},
        {BYTES("\"\r\n\""), NULL},
        {BYTES("\"\x1f\""), NULL},
        {BYTES("{\"a\nb\":1}"), NULL},
        {BYTES("{\"a\\qb\":1}"), NULL},
        {BYTES("\"\xe4"), NULL},
        {BYTES("\"\xff"), NULL},
    };
    (void)state;
    refuses(cases, COUNT(cases));
}

static void refuses_every_body_cut_short(void **state)
{
    static const char body[] = "{\"a\":[1,-2.5e3,{\"b\":null}],\"c\\ud83d\\ude00\":\"d\\n\",\"e\":"
                               "{\"f\":true,\"g\":-Infinity}}";
    (void)state;
    for (size_t length = 0; length < sizeof body - 1; length++) {
        const char *printed;
        struct error error;
        assert_false(parse_copy(body, length, &printed, &error));
        assert_int_equal(error.code, ERROR_INVALID);
    }
    parse(body, sizeof body - 1);
}

/* ---- limits ---- */

static const char *nested(const char *opening, const char *inner, char closing, size_t depth)
{
    struct text text = {0};
    for (size_t i = 0; i < depth; i++)
        text_puts(&text, opening);
    text_puts(&text, inner);
    for (size_t i = 0; i < depth; i++)
        text_putc(&text, closing);
    return text_into(&text, &arena);
}

static void nests_to_its_limit_and_no_deeper(void **state)
{
    static const struct {
        const char *opening, *inner;
        char closing;
    } kinds[] = {{"[", "", ']'}, {"[", "1", ']'}, {"{\"a\":", "{}", '}'}, {"{\"a\":", "1", '}'}};
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        size_t depth = JSON_DEPTH_MAX - !strcmp(kinds[i].inner, "{}");
        const char *body = nested(kinds[i].opening, kinds[i].inner, kinds[i].closing, depth);
        struct error error = {0};
        parse_string(body);
        assert_string_equal(json_compact(&arena, json.root), body);
        json_clear(&json);
        body = nested(kinds[i].opening, kinds[i].inner, kinds[i].closing, depth + 1);
        assert_false(json_parse(body, strlen(body), &json, &error));
        assert_int_equal(error.code, ERROR_INVALID);
        assert_string_equal(error.text, "JSON nested deeper than 128");
    }
}

static void counts_depth_not_containers(void **state)
{
    struct text text = {0};
    (void)state;
    text_putc(&text, '[');
    for (int i = 0; i < 1000; i++)
        text_puts(&text, "[{\"a\":[]}],");
    text_puts(&text, "0]");
    parse_string(text_string(&text));
    assert_int_equal(cJSON_GetArraySize(json.root), 1001);
    text_clear(&text);
}

static void refuses_a_million_brackets(void **state)
{
    size_t length = 1000000;
    char *body = malloc(length);
    struct error error = {0};
    (void)state;
    assert_non_null(body);
    memset(body, '[', length);
    assert_false(json_parse(body, length, &json, &error));
    assert_string_equal(error.text, "JSON nested deeper than 128");
    free(body);
}

/* An array, or an object, of count zeros. */
static void put_zeros(struct text *text, bool is_object, size_t count)
{
    text_putc(text, is_object ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text_putc(text, ',');
        if (is_object)
            text_printf(text, "\"n%zu\":", i);
        text_putc(text, '0');
    }
    text_putc(text, is_object ? '}' : ']');
}

static void counts_values_to_its_limit(void **state)
{
    (void)state;
    for (int is_object = 0; is_object < 2; is_object++) {
        struct text text = {0};
        struct error error = {0};
        put_zeros(&text, is_object, JSON_VALUES_MAX - 1);
        parse(text.data, text.length);
        assert_int_equal(cJSON_GetArraySize(json.root), JSON_VALUES_MAX - 1);
        json_clear(&json);
        text_clear(&text);
        put_zeros(&text, is_object, JSON_VALUES_MAX);
        assert_false(json_parse(text.data, text.length, &json, &error));
        assert_string_equal(error.text, "JSON with more than 65536 values");
        text_clear(&text);
    }
}

/* ---- the top-level members ---- */

static void assert_member(const char *name, const char *value)
{
    for (size_t i = 0; i < json.member_count; i++) {
        const struct json_member *member = &json.members[i];
        if (!strcmp(member->name, name) && member->length == strlen(value) &&
            !memcmp(member->value, value, member->length))
            return;
    }
    fail_msg("no member %s with the value %s", name, value);
}

static void notes_members_as_they_stood(void **state)
{
    (void)state;
    parse_string(" { \"s\" : \"x\\n\" ,\"n\":-1.50,\n\"o\": { \"x\" : [ ] } , \"a\":[1, {}],"
                 "\"e\":{ }, \"mess\\u0061ge\":null,\"\\u0000\":NaN, \"\xff\":true  } ");
    assert_int_equal(json.member_count, 8);
    assert_member("s", "\"x\\n\"");
    assert_member("n", "-1.50");
    assert_member("o", "{ \"x\" : [ ] }");
    assert_member("a", "[1, {}]");
    assert_member("e", "{ }");
    assert_member("message", "null");
    assert_member(FFFD, "NaN");
    assert_member(FFFD, "true");
}

static void notes_members_of_the_top_level_only(void **state)
{
    static const struct {
        const char *body;
        size_t count;
    } cases[] = {
        {"{}", 0},
        {"[]", 0},
        {"[{\"a\":1}]", 0},
        {"\"a\"", 0},
        {"{\"a\":{\"b\":1}}", 1},
        {"{\"a\":[{\"b\":1},{\"c\":2}],\"d\":{}}", 2},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        parse_string(cases[i].body);
        assert_int_equal(json.member_count, cases[i].count);
        json_clear(&json);
    }
}

static void decodes_exactly_what_was_signed(void **state)
{
    static const struct {
        const char *body, *bytes;
        size_t length;
    } cases[] = {
        {"{\"m\":\"\"}", BYTES("")},
        {"{\"m\":\"plain\"}", BYTES("plain")},
        {"{\"m\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", BYTES("\"\\/\b\f\n\r\t")},
        {"{\"m\":\"a\\u0000b\"}", BYTES("a\0b")},
        {"{\"m\":\"\\u0000\"}", BYTES("\0")},
        {"{\"m\":\"\\u4f60\\u597D\"}", BYTES("你好")},
        {"{\"m\":\"你好\"}", BYTES("你好")},
        {"{\"m\":\"\\ud83d\\ude00\"}", BYTES("😀")},
        {"{\"m\":\"\\ud83d\"}", BYTES(FFFD)},
        {"{\"m\":\"\\ude00x\"}", BYTES(FFFD "x")},
        {"{\"m\":\"\\ud83d\\ud83d\\ude00\"}", BYTES(FFFD "😀")},
        {"{\"m\":\"\\ud83d\\u0000\"}", BYTES(FFFD "\0")},
        {"{\"m\":\"a\xff\xc0\xafz\"}", BYTES("a\xff\xc0\xafz")},
        {"{\"m\":\"\xe4\xbd\"}", BYTES("\xe4\xbd")},
        {"{\"m\":\"\xed\xa0\x80\"}", BYTES("\xed\xa0\x80")},
        {"{\"m\":\"\\u0001\\u001f\\u007f\"}", BYTES("\x01\x1f\x7f")},
        {"{\"m\":\"\\\\u0041\"}", BYTES("\\u0041")},
        {"{\"m\" : \"spaced\" }", BYTES("spaced")},
        {"{\"\\u006d\":\"by escape\"}", BYTES("by escape")},
        {"{\"m\":\"first\",\"m\":\"second\"}", BYTES("first")},
        {"{\"a\":{\"m\":\"inner\"},\"m\":\"outer\"}", BYTES("outer")},
        {"{\"m\":\"{\\\"a\\\":\\\"b\\\\n\\\"}\"}", BYTES("{\"a\":\"b\\n\"}")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text value = {0};
        text_puts(&value, "m:");
        parse_string(cases[i].body);
        assert_true(json_exact(&json, "m", &value));
        assert_int_equal(value.length, cases[i].length + 2);
        assert_memory_equal(value.data + 2, cases[i].bytes, cases[i].length);
        text_clear(&value);
        json_clear(&json);
    }
}

static void decodes_only_strings_that_are_there(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "[]",
        "\"m\"",
        "[\"m\"]",
        "{\"M\":\"x\"}",
        "{\"m \":\"x\"}",
        "{\"m\":1}",
        "{\"m\":12345678901234567890}",
        "{\"m\":null}",
        "{\"m\":[\"x\"]}",
        "{\"m\":{\"m\":\"x\"}}",
        "{\"a\":{\"m\":\"x\"}}",
        "{\"m\\u0000\":\"x\"}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct text value = {0};
        parse_string(bodies[i]);
        assert_false(json_exact(&json, "m", &value));
        assert_int_equal(value.length, 0);
        text_clear(&value);
        json_clear(&json);
    }
}

static void names_what_stands_there_twice(void **state)
{
    static const struct {
        const char *body, *twice;
    } cases[] = {
        {"{}", NULL},
        {"[1,1]", NULL},
        {"{\"a\":1}", NULL},
        {"{\"a\":1,\"b\":1}", NULL},
        {"{\"a\":1,\"A\":2}", NULL},
        {"{\"a\":1,\"a \":2}", NULL},
        {"{\"a\":{\"b\":1,\"b\":2}}", NULL},
        {"{\"a\":{\"a\":1}}", NULL},
        {"{\"a\":1,\"b\":2,\"a\":1}", "a"},
        {"{\"message\":\"x\",\"mess\\u0061ge\":\"y\"}", "message"},
        {"{\"\\u006D\\u0065\":1,\"me\":2}", "me"},
        {"{\"a/b\":1,\"a\\/b\":2}", "a/b"},
        {"{\"\":1,\"\":2}", ""},
        {"{\"\\ud83d\\ude00\":1,\"😀\":2}", "😀"},
        {"{\"\xff\":1,\"\\ud83d\":2}", FFFD},
        {"{\"a\\u0000\":1,\"a\":2}", NULL},
        {"{\"z\":1,\"y\":1,\"x\":1,\"y\":{}}", "y"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        parse_string(cases[i].body);
        const char *twice = json_duplicate(&json);
        if (cases[i].twice)
            assert_string_equal(twice, cases[i].twice);
        else
            assert_null(twice);
        json_clear(&json);
    }
}

static void finds_a_duplicate_among_many_at_once(void **state)
{
    struct text text = {0};
    int64_t start = clock_monotonic_ms();
    (void)state;
    put_zeros(&text, true, JSON_VALUES_MAX - 2);
    parse(text.data, text.length);
    assert_null(json_duplicate(&json));
    json_clear(&json);
    text.data[text.length - 1] = ',';
    text_puts(&text, "\"n7\":1}");
    parse(text.data, text.length);
    assert_string_equal(json_duplicate(&json), "n7");
    text_clear(&text);
    assert_true(clock_monotonic_ms() - start < 5000);
}

/* ---- readers ---- */

static void reads_members_by_name(void **state)
{
    (void)state;
    parse_string(
        "{\"Name\":\"A\",\"name\":\"b\",\"name\":\"c\",\"n\":1,\"z\":null,\"o\":{\"x\":[]}}");
    assert_string_equal(json_string(json.root, "Name"), "A");
    assert_string_equal(json_string(json.root, "name"), "b");
    assert_null(json_string(json.root, "NAME"));
    assert_null(json_string(json.root, "n"));
    assert_null(json_string(json.root, "z"));
    assert_null(json_string(json.root, "o"));
    assert_null(json_string(json.root, ""));
    assert_null(json_string(NULL, "name"));
    assert_non_null(json_get(json.root, "z"));
    assert_null(json_get(json.root, "x"));
    assert_null(json_get(NULL, "x"));
    assert_true(cJSON_IsArray(json_get(json_get(json.root, "o"), "x")));
    assert_null(json_get(json_get(json.root, "n"), "n"));
    assert_null(json_get(json_get(json_get(json.root, "o"), "x"), "n"));
    assert_string_equal(json_get_ignoring_case(json.root, "NAME")->valuestring, "A");
    assert_null(json_get_ignoring_case(json.root, "nam"));
    assert_null(json_get_ignoring_case(json_get(json.root, "z"), "name"));
    assert_null(json_get_ignoring_case(NULL, "name"));
}

static void writes_scalars_in_their_shortest_form(void **state)
{
    static const struct {
        const char *body, *text;
    } cases[] = {
        {"\"text\"", "text"},
        {"\"\"", ""},
        {"true", "true"},
        {"false", "false"},
        {"null", NULL},
        {"NaN", NULL},
        {"[]", NULL},
        {"{}", NULL},
        {"0", "0"},
        {"99.0", "99"},
        {"99.50", "99.5"},
        {"1e2", "100"},
        {"-3", "-3"},
        {"0.1", "0.1"},
        {"1e-7", "1e-07"},
        {"9007199254740991", "9007199254740991"},
        {"-9007199254740992", "-9007199254740992"},
        {"9007199254740993", "9007199254740993"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"1700000000000", "1700000000000"},
        {"1e400", "1e400"},
    };
    (void)state;
    assert_null(json_scalar(&arena, NULL));
    for (size_t i = 0; i < COUNT(cases); i++) {
        parse_string(cases[i].body);
        const char *text = json_scalar(&arena, json.root);
        if (cases[i].text)
            assert_string_equal(text, cases[i].text);
        else
            assert_null(text);
        json_clear(&json);
    }
}

static void writes_all_digits_of_a_computed_number(void **state)
{
    cJSON *sum = cJSON_CreateNumber(0.1 + 0.2);
    (void)state;
    assert_string_equal(json_scalar(&arena, sum), "0.30000000000000004");
    cJSON_Delete(sum);
}

static void prints_nothing_for_no_value(void **state)
{
    (void)state;
    assert_string_equal(json_compact(&arena, NULL), "");
}

/* ---- memory ---- */

static void what_cjson_makes_of_a_tree_outlives_it(void **state)
{
    (void)state;
    parse_string("{\"a\":[1,\"two\"]}");
    char *printed = cJSON_PrintUnformatted(json.root);
    json_clear(&json);
    assert_non_null(printed);
    assert_string_equal(printed, "{\"a\":[1,\"two\"]}");
    cJSON_free(printed);
}

static void clears_what_is_empty_and_clears_twice(void **state)
{
    (void)state;
    json_clear(&json);
    parse_string("{\"a\":1}");
    json_clear(&json);
    json_clear(&json);
    assert_null(json.root);
    assert_null(json.members);
}

static void leaves_an_earlier_error_alone(void **state)
{
    struct error error = {0};
    (void)state;
    error_set(&error, ERROR_TOO_LARGE, "first");
    assert_false(json_parse("x", 1, &json, &error));
    assert_int_equal(error.code, ERROR_TOO_LARGE);
    assert_string_equal(error.text, "first");
}

/* ---- whatever comes ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static size_t mutate(char *bytes, size_t length, size_t size, uint32_t *seed)
{
    static const char interesting[] =
        "\"\"\\\\{}[]:,,0123456789-+.eEu aNn\x00\x1f\x7f\x80\xbf\xc2\xe4"
        "\xed\xef\xf0\xf4\xff\n\t";
    for (uint32_t edits = 1 + next_random(seed) % 4; edits > 0; edits--) {
        size_t at = length ? next_random(seed) % length : 0;
        char byte = interesting[next_random(seed) % (sizeof interesting - 1)];
        uint32_t kind = next_random(seed) % 4;
        if (kind == 0 && length) {
            bytes[at] = byte;
        } else if (kind == 1 && length < size) {
            memmove(bytes + at + 1, bytes + at, length - at);
            bytes[at] = byte;
            length++;
        } else if (kind == 2 && length) {
            memmove(bytes + at, bytes + at + 1, length - at - 1);
            length--;
        } else if (kind == 3 && length) {
            size_t from = next_random(seed) % length, count = next_random(seed) % 16;
            size_t end = from > at ? from : at;
            count = count < length - end ? count : length - end;
            memmove(bytes + at, bytes + from, count);
        }
    }
    return length;
}

static void what_it_accepts_prints_as_json_again(void **state)
{
    static const char *const seeds[] = {
        "{\"a\":[1,-2.5e3,{\"b\":null}],\"c\\ud83d\\ude00\":\"d\\n\\u0000\",\"e\":{\"f\":true}}",
        "[NaN,Infinity,-Infinity,9007199254740993,0.1234567890123456,1e400,-0,0.0,1e-400]",
        "{\"message\":\"{\\\"k\\\":\\\"v\\\"}\",\"mess\\u0061ge\":\"你好 \xff\xc0\xaf 😀\",\"\":[]}",
        "\xef\xbb\xbf[[[[{\"\\ud83d\":\"\\ude00\\ud83d\"}]]]]",
    };
    uint32_t seed = 20261124;
    (void)state;
    for (int round = 0; round < 40000; round++) {
        char bytes[256];
        const char *start = seeds[(size_t)round % COUNT(seeds)];
        size_t length = strlen(start);
        memcpy(bytes, start, length);
        length = mutate(bytes, length, sizeof bytes, &seed);
        uint8_t *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, length);
        LLVMFuzzerTestOneInput(copy, length);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(accepts_structures),
        TEST(accepts_a_lonely_scalar),
        TEST(accepts_numbers),
        TEST(accepts_strings),
        TEST(repairs_ill_formed_utf8),
        TEST(repairs_nul_and_lone_surrogates),
        TEST(reads_the_words_of_python_as_null),
        TEST(keeps_every_digit_of_a_number),
        TEST(says_what_was_expected_where),
        TEST(refuses_broken_structures),
        TEST(refuses_broken_words),
        TEST(refuses_broken_numbers),
        TEST(refuses_broken_strings),
        TEST(refuses_every_body_cut_short),
        TEST(nests_to_its_limit_and_no_deeper),
        TEST(counts_depth_not_containers),
        TEST(refuses_a_million_brackets),
        TEST(counts_values_to_its_limit),
        TEST(notes_members_as_they_stood),
        TEST(notes_members_of_the_top_level_only),
        TEST(decodes_exactly_what_was_signed),
        TEST(decodes_only_strings_that_are_there),
        TEST(names_what_stands_there_twice),
        TEST(finds_a_duplicate_among_many_at_once),
        TEST(reads_members_by_name),
        TEST(writes_scalars_in_their_shortest_form),
        TEST(writes_all_digits_of_a_computed_number),
        TEST(prints_nothing_for_no_value),
        TEST(what_cjson_makes_of_a_tree_outlives_it),
        TEST(clears_what_is_empty_and_clears_twice),
        TEST(leaves_an_earlier_error_alone),
        TEST(what_it_accepts_prints_as_json_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
