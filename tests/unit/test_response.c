#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "response.h"

/* The written answer for an error, as a string that the caller frees. */
static void write_error(enum error_code code, const char *text, const char *upstream_code,
                        struct response *response, struct text *out)
{
    struct error error = {0};
    error_set(&error, code, "%s", text);
    response->request_id = "0123";
    response_error(response, &error, upstream_code);
    response_write(response, out);
}

static void every_error_has_its_status_and_headers(void **state)
{
    static const struct {
        enum error_code code;
        const char *status, *word, *header;
    } cases[] = {
        {ERROR_INVALID, "Status: 400 Bad Request\r\n", "\"InvalidParameter\"", ""},
        {ERROR_UNAUTHORIZED, "Status: 401 Unauthorized\r\n", "\"Unauthorized\"", ""},
        {ERROR_FORBIDDEN, "Status: 403 Forbidden\r\n", "\"AccessDenied\"", ""},
        {ERROR_METHOD, "Status: 405 Method Not Allowed\r\n", "\"MethodNotAllowed\"",
         "\r\nAllow: POST\r\n"},
        {ERROR_TOO_LARGE, "Status: 413 Content Too Large\r\n", "\"RequestTooLarge\"", ""},
        {ERROR_CONTENT_TYPE, "Status: 415 Unsupported Media Type\r\n", "\"InvalidContentType\"",
         ""},
        {ERROR_REJECTED, "Status: 502 Bad Gateway\r\n", "\"Rejected\"", ""},
        {ERROR_UNAVAILABLE, "Status: 503 Service Unavailable\r\n", "\"Unavailable\"",
         "\r\nRetry-After: 10\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct response response = {0};
        struct text out = {0};
        write_error(cases[i].code, "why \"so\"\n", NULL, &response, &out);
        assert_int_equal(strncmp(out.data, cases[i].status, strlen(cases[i].status)), 0);
        assert_non_null(strstr(out.data, cases[i].word));
        assert_non_null(strstr(out.data, cases[i].header));
        assert_non_null(strstr(out.data, "\r\nRequest-Id: 0123\r\n"));
        assert_non_null(strstr(out.data, "\"message\":\"why \\\"so\\\"\\n\"}}\n"));
        if (cases[i].code != ERROR_UNAVAILABLE)
            assert_null(strstr(out.data, "Retry-After"));
        if (cases[i].code != ERROR_METHOD)
            assert_null(strstr(out.data, "Allow"));
        text_clear(&out);
        text_clear(&response.body);
    }
}

static void an_upstream_s_code_is_passed_on(void **state)
{
    struct response response = {0};
    struct text out = {0};
    (void)state;
    write_error(ERROR_REJECTED, "m", "NoLicense", &response, &out);
    assert_non_null(strstr(out.data, "\"code\":\"NoLicense\""));
    text_clear(&out);
    text_clear(&response.body);
}

static void an_asked_pause_is_passed_on(void **state)
{
    struct response response = {.retry_after_s = 77};
    struct text out = {0};
    (void)state;
    write_error(ERROR_UNAVAILABLE, "m", NULL, &response, &out);
    assert_non_null(strstr(out.data, "\r\nRetry-After: 77\r\n"));
    text_clear(&out);
    text_clear(&response.body);
}

static void data_stands_in_flashduty_s_own_shape(void **state)
{
    struct response response = {.request_id = "0123"};
    struct text out = {0};
    (void)state;
    response_data(&response, 200, "{\"outcome\":\"delivered\"}");
    response_write(&response, &out);
    const char *body = strstr(out.data, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body + 4,
                        "{\"request_id\":\"0123\",\"data\":{\"outcome\":\"delivered\"}}\n");
    assert_non_null(strstr(out.data, "\r\nContent-Length: 53\r\n"));
    assert_int_equal(strlen(body + 4), 53);
    text_clear(&out);
    response.is_head = true;
    response_write(&response, &out);
    assert_string_equal(strstr(out.data, "\r\n\r\n"), "\r\n\r\n");
    text_clear(&out);
    text_clear(&response.body);
}

static void an_answer_that_could_not_be_composed_is_503(void **state)
{
    struct response response = {.request_id = "0123", .status = 200, .body = {.failed = true}};
    struct text out = {0};
    (void)state;
    response_write(&response, &out);
    assert_int_equal(strncmp(out.data, "Status: 503 ", 12), 0);
    assert_non_null(strstr(out.data, "\r\nRetry-After: "));
    text_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_status_and_headers),
        cmocka_unit_test(an_upstream_s_code_is_passed_on),
        cmocka_unit_test(an_asked_pause_is_passed_on),
        cmocka_unit_test(data_stands_in_flashduty_s_own_shape),
        cmocka_unit_test(an_answer_that_could_not_be_composed_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
