#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "request.h"

/* A request that comes in pieces of `step` bytes and may be cut off at the end. */
struct fake {
    const char *variables[16][2];
    const char *body;
    size_t length, at, step;
    bool is_cut;
    size_t reads;
};

static const char *variable(void *context, const char *name)
{
    struct fake *fake = context;
    for (size_t i = 0; fake->variables[i][0]; i++) {
        if (!strcmp(fake->variables[i][0], name))
            return fake->variables[i][1];
    }
    return NULL;
}

static ssize_t read_piece(void *context, char *buffer, size_t size)
{
    struct fake *fake = context;
    size_t count = fake->length - fake->at;
    fake->reads++;
    if (count == 0)
        return fake->is_cut ? -1 : 0;
    if (count > size)
        count = size;
    if (count > fake->step)
        count = fake->step;
    memcpy(buffer, fake->body + fake->at, count);
    fake->at += count;
    return (ssize_t)count;
}

static void receive(struct request *request, struct request_source *source, struct fake *fake,
                    bool ends, size_t limit)
{
    *source = (struct request_source){variable, read_piece, fake, ends};
    request_receive(request, source, 0, limit);
}

static void a_body_is_read_whole_within_limits(void **state)
{
    static const struct {
        const char *length; /* CONTENT_LENGTH */
        size_t body, limit;
        bool ends, is_cut;
        enum error_code code;
        size_t taken;
    } cases[] = {
        {"5", 5, 10, true, false, ERROR_NONE, 5},
        {"5", 5, 5, true, false, ERROR_NONE, 5},
        {"5", 5, 4, true, false, ERROR_TOO_LARGE, 0},
        {NULL, 5, 10, true, false, ERROR_NONE, 5},
        {"", 5, 10, true, false, ERROR_NONE, 5},
        {NULL, 11, 10, true, false, ERROR_TOO_LARGE, 11},
        {NULL, 50000, 60000, true, false, ERROR_NONE, 50000},
        {"0", 0, 10, true, false, ERROR_NONE, 0},
        {NULL, 0, 10, true, false, ERROR_NONE, 0},
        {"6", 5, 10, true, false, ERROR_INVALID, 5},
        {"4", 5, 10, true, false, ERROR_INVALID, 5},
        {"5", 5, 10, true, true, ERROR_INVALID, 5},
        {"6", 5, 10, true, true, ERROR_INVALID, 5},
        {"-5", 5, 10, true, false, ERROR_INVALID, 0},
        {"5x", 5, 10, true, false, ERROR_INVALID, 0},
        {" 5", 5, 10, true, false, ERROR_INVALID, 0},
        {"99999999999999999999999", 5, 10, true, false, ERROR_TOO_LARGE, 0},
        {"18446744073709551615", 5, 10, true, false, ERROR_TOO_LARGE, 0},
        /* Plain CGI: nothing behind CONTENT_LENGTH is looked at, the end may never come. */
        {"5", 5, 10, false, true, ERROR_NONE, 5},
        {"0", 0, 10, false, true, ERROR_NONE, 0},
        {"6", 5, 10, false, false, ERROR_INVALID, 5},
        {NULL, 5, 10, false, false, ERROR_NONE, 5},
    };
    static char body[65536];
    (void)state;
    memset(body, 'x', sizeof body);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 1; step < 100000; step *= 317) {
            struct fake fake = {
                .body = body, .length = cases[i].body, .step = step, .is_cut = cases[i].is_cut};
            struct request request;
            struct request_source source;
            fake.variables[0][0] = "REQUEST_METHOD";
            fake.variables[0][1] = "POST";
            if (cases[i].length) {
                fake.variables[1][0] = "CONTENT_LENGTH";
                fake.variables[1][1] = cases[i].length;
            }
            receive(&request, &source, &fake, cases[i].ends, cases[i].limit);
            if (request.error.code != cases[i].code || request.body_length != cases[i].taken)
                fail_msg("case %zu: %d %s, %zu bytes", i, (int)request.error.code,
                         request.error.text, request.body_length);
            if (request.body)
                assert_int_equal(request.body[request.body_length], '\0');
            if (cases[i].code == ERROR_NONE && cases[i].ends)
                assert_true(request.is_drained);
            if (cases[i].code == ERROR_TOO_LARGE)
                assert_false(request.is_drained);
            request_clear(&request);
        }
    }
}

/* Under plain CGI the end of standard input may never come: only who posts is waited for. */
static void a_body_that_nobody_announced_is_read_from_posts_alone(void **state)
{
    static const struct {
        const char *method, *length;
        bool ends;
        size_t taken;
    } cases[] = {
        {"POST", NULL, false, 5},
        {"GET", NULL, false, 0},
        {"HEAD", NULL, false, 0},
        {"HEAD", "", false, 0},
        {NULL, NULL, false, 0},
        {"PUT", NULL, false, 0},
        {"GET", "5", false, 5},
        {"PUT", "5", false, 5},
        {"GET", "0", false, 0},
        /* FastCGI marks the end of every body. */
        {"GET", NULL, true, 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake fake = {
            .variables = {{"CONTENT_LENGTH", cases[i].length}, {"REQUEST_METHOD", cases[i].method}},
            .body = "12345",
            .length = 5,
            .step = 5};
        struct request request;
        struct request_source source;
        receive(&request, &source, &fake, cases[i].ends, 10);
        assert_int_equal(request.error.code, ERROR_NONE);
        if (request.body_length != cases[i].taken || (cases[i].taken == 0 && fake.reads > 0))
            fail_msg("case %zu: %zu bytes, %zu reads", i, request.body_length, fake.reads);
        request_clear(&request);
    }
}

static void a_key_comes_by_query_or_header(void **state)
{
    static const struct {
        const char *query, *header, *key; /* NULL key: refused */
    } cases[] = {
        {"integration_key=abc_-Z9", NULL, "abc_-Z9"},
        {"a=b&integration_key=abc", NULL, "abc"},
        {"integration_key=abc&a=b", NULL, "abc"},
        {"", "abc", "abc"},
        {NULL, "abc", "abc"},
        {"integration_key=abc", "abc", "abc"},
        {"integration_key=abc&integration_key=abc", NULL, "abc"},
        {"integration_key=abc", "", "abc"},
        {"integration_key=abc", "abd", NULL},
        {"integration_key=abc&integration_key=abd", NULL, NULL},
        {"", NULL, NULL},
        {NULL, NULL, NULL},
        {"integration_key", NULL, NULL},
        {"integration_key=", NULL, NULL},
        {"xintegration_key=abc", NULL, NULL},
        {"Integration_key=abc", NULL, NULL},
        {"integration_key=a%20b", NULL, NULL},
        {"integration_key=a+b", NULL, NULL},
        {"integration_key=a\xc3\xa9", NULL, NULL},
        {"integration_key=abc;x", NULL, NULL},
        {"integration_key=abc", "a b", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake fake = {.variables = {{"QUERY_STRING", cases[i].query},
                                          {"HTTP_X_INTEGRATION_KEY", cases[i].header}}};
        struct request request;
        struct request_source source;
        struct error error = {0};
        const char *key;
        receive(&request, &source, &fake, true, 10);
        bool found = request_key(&request, &key, &error);
        if (found != (cases[i].key != NULL))
            fail_msg("%s %s: %s", cases[i].query, cases[i].header, error.text);
        if (found)
            assert_string_equal(key, cases[i].key);
        else
            assert_int_equal(error.code, ERROR_INVALID);
        request_clear(&request);
    }
}

static void a_key_has_at_most_128_characters(void **state)
{
    (void)state;
    for (size_t length = 127; length <= 130; length++) {
        char query[200] = "integration_key=";
        struct fake fake = {.variables = {{"QUERY_STRING", query}}};
        struct request request;
        struct request_source source;
        struct error error = {0};
        const char *key;
        memset(query + strlen(query), 'k', length);
        receive(&request, &source, &fake, true, 10);
        assert_int_equal(request_key(&request, &key, &error), length <= 128);
        request_clear(&request);
    }
}

static void health_is_a_path_below_the_endpoint(void **state)
{
    static const struct {
        const char *script_name, *path_info;
        bool is_health;
    } cases[] = {
        {"/cgi-bin/ces.fcgi", "/healthz", true},   {"/ces", "/healthz", true},
        {"/cgi-bin/ces.fcgi/healthz", NULL, true}, {"/cgi-bin/ces.fcgi", NULL, false},
        {"/cgi-bin/ces.fcgi", "", false},          {"/cgi-bin/ces.fcgi", "/healthz/", false},
        {"/cgi-bin/ces.fcgi", "/health", false},   {NULL, NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake fake = {.variables = {{"SCRIPT_NAME", cases[i].script_name},
                                          {"PATH_INFO", cases[i].path_info}}};
        struct request request;
        struct request_source source;
        receive(&request, &source, &fake, true, 10);
        assert_int_equal(request.is_health, cases[i].is_health);
        request_clear(&request);
    }
}

static void text_and_forms_are_told_from_json(void **state)
{
    static const struct {
        const char *type;
        bool is_text;
    } cases[] = {
        {"application/json", false},
        {"application/json; charset=utf-8", false},
        {"", false},
        {NULL, false},
        {"text/json", false},
        {"text/plain", true},
        {"Text/Plain; charset=utf-8", true},
        {"text/plain;charset=utf-8", true},
        {"application/x-www-form-urlencoded", true},
        {"multipart/form-data; boundary=x", true},
        {"text/plainx", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake fake = {.variables = {{"CONTENT_TYPE", cases[i].type}}};
        struct request request;
        struct request_source source;
        receive(&request, &source, &fake, true, 10);
        assert_int_equal(request_is_text_or_form(&request), cases[i].is_text);
        request_clear(&request);
    }
}

static void every_request_has_its_own_id(void **state)
{
    struct fake fake = {0};
    struct request one, other;
    struct request_source source;
    (void)state;
    receive(&one, &source, &fake, true, 10);
    receive(&other, &source, &fake, true, 10);
    assert_int_equal(strlen(one.id), REQUEST_ID_SIZE - 1);
    assert_int_equal(strspn(one.id, "0123456789abcdef"), REQUEST_ID_SIZE - 1);
    assert_string_not_equal(one.id, other.id);
    request_clear(&one);
    request_clear(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_read_whole_within_limits),
        cmocka_unit_test(a_body_that_nobody_announced_is_read_from_posts_alone),
        cmocka_unit_test(a_key_comes_by_query_or_header),
        cmocka_unit_test(a_key_has_at_most_128_characters),
        cmocka_unit_test(health_is_a_path_below_the_endpoint),
        cmocka_unit_test(text_and_forms_are_told_from_json),
        cmocka_unit_test(every_request_has_its_own_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
