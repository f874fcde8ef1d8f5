#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "delivery/flashduty.h"

static void an_answer_is_judged_by_its_code_else_by_its_status(void **state)
{
    static const struct {
        long status;
        const char *body;
        enum verdict verdict;
    } cases[] = {
        {200, "{\"request_id\":\"r\",\"data\":{\"alert_key\":\"k\"}}", VERDICT_ACCEPTED},
        {200, "{\"request_id\":\"r\"}", VERDICT_ACCEPTED},
        {202, "{\"data\":{}}", VERDICT_ACCEPTED},
        {200, "{\"request_id\":\"r\",\"data\":{},\"error\":null}", VERDICT_ACCEPTED},
        /* No JSON of Flashduty's is no acceptance. */
        {200, "", VERDICT_RETRY},
        {200, "{}", VERDICT_RETRY},
        {200, "[]", VERDICT_RETRY},
        {200, "null", VERDICT_RETRY},
        {200, "<html>sign in</html>", VERDICT_RETRY},
        {200, "{\"request_id\":\"r\",\"data\":{", VERDICT_RETRY},
        {204, "", VERDICT_RETRY},
        {302, "", VERDICT_RETRY},
        {302, "{\"request_id\":\"r\",\"data\":{}}", VERDICT_RETRY},
        {400, "<html>", VERDICT_RETRY},
        {404, "not found", VERDICT_RETRY},
        /* An error is one, whatever the status says. */
        {200, "{\"error\":{\"code\":\"InternalError\"}}", VERDICT_RETRY},
        {200, "{\"error\":{\"code\":\"RequestTooFrequently\"}}", VERDICT_RETRY},
        {200, "{\"error\":{\"code\":\"InvalidParameter\"}}", VERDICT_REJECTED},
        {200, "{\"error\":{\"code\":\"NewCode\"}}", VERDICT_RETRY},
        {200, "{\"error\":{}}", VERDICT_RETRY},
        {400, "{\"error\":{\"code\":\"InvalidParameter\",\"message\":\"m\"}}", VERDICT_REJECTED},
        {400, "{\"error\":{\"code\":\"InvalidContentType\"}}", VERDICT_REJECTED},
        {400, "{\"error\":{\"code\":\"MethodNotAllowed\"}}", VERDICT_REJECTED},
        {400, "{\"error\":{\"code\":\"ResourceNotFound\"}}", VERDICT_REJECTED},
        {400, "{\"error\":{\"code\":\"NoLicense\"}}", VERDICT_REJECTED},
        {401, "{\"error\":{\"code\":\"Unauthorized\"}}", VERDICT_REJECTED},
        {403, "{\"error\":{\"code\":\"AccessDenied\"}}", VERDICT_REJECTED},
        {404, "{\"error\":{\"code\":\"RouteNotFound\"}}", VERDICT_REJECTED},
        {400, "{\"error\":{\"code\":\"NewCode\"}}", VERDICT_REJECTED},
        {429, "{\"error\":{\"code\":\"RequestTooFrequently\"}}", VERDICT_RETRY},
        {500, "{\"error\":{\"code\":\"InternalError\"}}", VERDICT_RETRY},
        {500, "{\"error\":{\"code\":\"InvalidParameter\"}}", VERDICT_REJECTED},
        {408, "{\"error\":{\"code\":\"NewCode\"}}", VERDICT_RETRY},
        {425, "{\"error\":{\"code\":\"NewCode\"}}", VERDICT_RETRY},
        {503, "{\"error\":{\"code\":\"NewCode\"}}", VERDICT_RETRY},
        {400, "{\"request_id\":\"r\"}", VERDICT_REJECTED},
        {500, "{\"request_id\":\"r\"}", VERDICT_RETRY},
    };
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum verdict verdict =
            flashduty_judge(&arena, cases[i].status, cases[i].body, strlen(cases[i].body)).verdict;
        if (verdict != cases[i].verdict)
            fail_msg("%ld %s: %d, expected %d", cases[i].status, cases[i].body, (int)verdict,
                     (int)cases[i].verdict);
    }
    arena_clear(&arena);
}

static void an_error_is_passed_on(void **state)
{
    static const char body[] = "{\"request_id\":\"abc\",\"error\":{\"code\":\"InvalidParameter\","
                               "\"message\":\"integration_key is not a valid one\"}}";
    struct arena arena = {0};
    (void)state;
    struct flashduty_answer answer = flashduty_judge(&arena, 400, body, strlen(body));
    assert_string_equal(answer.code, "InvalidParameter");
    assert_string_equal(answer.message, "integration_key is not a valid one");
    assert_string_equal(answer.request_id, "abc");
    arena_clear(&arena);
}

static void an_event_is_encoded_whole(void **state)
{
    struct arena arena = {0};
    struct text json = {0};
    struct alert alert = {.severity = SEVERITY_WARNING, .key = "ces:1"};
    (void)state;
    alert_set_title(&alert, &arena, "a \"b\" \\");
    alert_set_description(&alert, &arena, "line\nline", "");
    alert_add_label(&alert, &arena, "host", "w\"1");
    flashduty_encode(&alert, &json);
    assert_string_equal(text_string(&json),
                        "{\"title_rule\":\"a \\\"b\\\" \\\\\",\"event_status\":\"Warning\","
                        "\"alert_key\":\"ces:1\",\"description\":\"line\\nline\","
                        "\"labels\":{\"host\":\"w\\\"1\"}}");
    text_clear(&json);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_judged_by_its_code_else_by_its_status),
        cmocka_unit_test(an_error_is_passed_on),
        cmocka_unit_test(an_event_is_encoded_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
