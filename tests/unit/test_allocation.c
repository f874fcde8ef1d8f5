/*
 * Memory runs out at the n-th allocation, for every n: mapping a payload must then fail and say so,
 * or give exactly the event that it gives otherwise. Never a shorter one: an alarm that lost its
 * labels on the way would page the wrong people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "base/text.h"
#include "delivery/flashduty.h"
#include "vendors/smn_trust.h"
#include "vendors/vendor.h"

/* Allocations until one fails; negative: none fails. */
static long countdown = -1;
static bool fails_from_then_on;

static bool fails_now(void)
{
    if (countdown < 0)
        return false;
    if (countdown == 0)
        return !fails_from_then_on ? (countdown = -1, true) : true;
    countdown--;
    return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *string);

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails_now() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *string)
{
    return fails_now() ? NULL : __real_strdup(string);
}

/* The payload's events, one a line; false if it failed, as the gateway would find out. */
static bool map(const struct vendor *vendor, const char *body, struct text *events,
                struct error *error)
{
    struct json json = {0};
    struct arena arena = {0};
    struct receipt receipt = {0};
    struct smn_settings smn = {.verify = SMN_VERIFY_OFF};
    const struct vendor_input input = {
        .body = body, .length = strlen(body), .now_ms = 1795478400000, .smn = &smn};
    bool is_mapped = json_parse(input.body, input.length, &json, error) &&
                     vendor->parse(&input, &json, &arena, &receipt, error);
    for (size_t i = 0; is_mapped && i < receipt.count; i++) {
        if (receipt.items[i].kind == ITEM_ALERT)
            flashduty_encode(&receipt.items[i].alert, events);
        text_putc(events, '\n');
    }
    is_mapped = is_mapped && !arena.failed && !events->failed;
    json_clear(&json);
    arena_clear(&arena);
    return is_mapped;
}

static char *read_fixture(const char *vendor, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "tests/fixtures/%s/%s/request.json", vendor, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *body = calloc(1, 65536);
    assert_non_null(body);
    assert_true(fread(body, 1, 65535, file) > 0);
    fclose(file);
    return body;
}

static void check(const struct vendor *vendor, const char *name)
{
    struct text expected = {0};
    struct error error = {0};
    char *body = read_fixture(vendor->name, name);
    assert_true(map(vendor, body, &expected, &error));
    for (int persistent = 0; persistent < 2; persistent++) {
        bool has_failed = true;
        for (long n = 0; has_failed && n < 100000; n++) {
            struct text events = {0};
            error = (struct error){0};
            fails_from_then_on = persistent;
            countdown = n;
            bool is_mapped = map(vendor, body, &events, &error);
            has_failed = persistent ? countdown == 0 : countdown < 0;
            countdown = -1;
            if (is_mapped)
                assert_string_equal(text_string(&events), text_string(&expected));
            else
                assert_true(error.code == ERROR_NONE || error.code == ERROR_UNAVAILABLE);
            text_clear(&events);
        }
    }
    text_clear(&expected);
    free(body);
}

static void a_payload_is_mapped_whole_or_not_at_all(void **state)
{
    static const char *const ces[] = {"04-classic-metric-critical-en", "10-v1-metric-critical-zh",
                                      "19-plain-text-major-zh", "28-other-service-aom",
                                      "25-classic-multi-dimension-zh"};
    static const char *const guance[] = {"01-critical-threshold", "23-special-tag-names",
                                         "28-minimal-documented-fields",
                                         "36-personal-data-and-secrets-inside"};
    cJSON_Hooks hooks = {__wrap_malloc, free};
    (void)state;
    cJSON_InitHooks(&hooks);
    for (size_t i = 0; i < sizeof ces / sizeof *ces; i++)
        check(&vendor_ces, ces[i]);
    for (size_t i = 0; i < sizeof guance / sizeof *guance; i++)
        check(&vendor_guance, guance[i]);
    cJSON_InitHooks(NULL);
}

/* OpenSSL forgets some of its own when it fails; what is looked for are leaks of ours. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libcrypto.so\n";
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_malloc(size);
}

static void *openssl_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_realloc(memory, size);
}

static void openssl_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

/* What authenticating a message comes to. */
static enum error_code authenticate(const struct smn_settings *smn, const char *body)
{
    struct json json = {0};
    struct arena arena = {0};
    struct error error = {0};
    const struct vendor_input input = {
        .body = body, .length = strlen(body), .now_ms = 1795478400000, .smn = smn};
    if (json_parse(input.body, input.length, &json, &error))
        vendor_ces.authenticate(&input, &json, &arena, &error);
    json_clear(&json);
    arena_clear(&arena);
    return error.code;
}

/* A genuine alarm that is refused for good is lost: SMN does not send it again. */
static void a_genuine_message_is_never_refused_for_good(void **state)
{
    struct smn_settings smn = {.verify = SMN_VERIFY_PINNED};
    struct arena arena = {0};
    struct error error = {0};
    char *body = read_fixture("ces", "genuine-notification");
    (void)state;
    assert_true(smn_pins_compiled_in(&smn, &arena, &error));
    assert_int_equal(authenticate(&smn, body), ERROR_NONE);
    for (int persistent = 0; persistent < 2; persistent++) {
        bool has_failed = true;
        size_t refused = 0;
        for (long n = 0; has_failed && n < 100000; n++) {
            fails_from_then_on = persistent;
            countdown = n;
            enum error_code code = authenticate(&smn, body);
            has_failed = persistent ? countdown == 0 : countdown < 0;
            countdown = -1;
            if (code != ERROR_NONE)
                assert_int_equal(code, ERROR_UNAVAILABLE);
            refused += code != ERROR_NONE;
        }
        assert_true(refused > 10);
    }
    smn_pins_clear(&smn);
    arena_clear(&arena);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_is_mapped_whole_or_not_at_all),
        cmocka_unit_test(a_genuine_message_is_never_refused_for_good),
    };
    /* Before OpenSSL's first allocation. */
    if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free))
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
