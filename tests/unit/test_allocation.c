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
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/state_folder.h"
#include "base/text.h"
#include "delivery/flashduty.h"
#include "trust/certificates.h"
#include "vendors/smn_trust.h"
#include "vendors/vendor.h"

#define NOW_MS 1795478400000

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
        .body = body, .length = strlen(body), .now_ms = NOW_MS, .smn = &smn};
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
    (void)state;
    for (size_t i = 0; i < sizeof ces / sizeof *ces; i++)
        check(&vendor_ces, ces[i]);
    for (size_t i = 0; i < sizeof guance / sizeof *guance; i++)
        check(&vendor_guance, guance[i]);
}

/* Long enough for several blocks of memory, with names that cJSON decodes. */
static void a_tree_is_made_whole_or_not_at_all(void **state)
{
    struct text body = {0};
    (void)state;
    text_puts(&body, "{\"\\u0061\":[null");
    for (int i = 0; i < 200; i++)
        text_printf(&body, ",{\"\\n%d\":\"%d\"}", i, i);
    text_puts(&body, "]}");
    assert_false(body.failed);
    bool is_json = false;
    int failures = 0;
    for (; !is_json && failures < 1000; failures += !is_json) {
        struct json json = {0};
        struct error error = {0};
        fails_from_then_on = false;
        countdown = failures;
        is_json = json_parse(text_string(&body), body.length, &json, &error);
        countdown = -1;
        assert_int_equal(error.code, is_json ? ERROR_NONE : ERROR_UNAVAILABLE);
        assert_int_equal(json.member_count, is_json ? 1 : 0);
        assert_int_equal(cJSON_GetArraySize(json_get(json.root, "a")), is_json ? 201 : 0);
        assert_true(is_json || !json.root);
        json_clear(&json);
    }
    assert_true(is_json && failures > 5);
    text_clear(&body);
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

/* What a message is judged by, and what judging comes to. */
struct judgement {
    const struct smn_settings *smn;
    const struct vendor_authority *authority;
    const char *body;
};

static enum error_code authenticate(void *context)
{
    const struct judgement *judgement = context;
    struct json json = {0};
    struct arena arena = {0};
    struct error error = {0};
    const struct vendor_input input = {.body = judgement->body,
                                       .length = strlen(judgement->body),
                                       .now_ms = NOW_MS,
                                       .smn = judgement->smn,
                                       .authority = judgement->authority};
    if (json_parse(input.body, input.length, &json, &error))
        vendor_ces.authenticate(&input, &json, &arena, &error);
    json_clear(&json);
    arena_clear(&arena);
    return error.code;
}

/* Tries with the n-th allocation failing, for every n, and then with all from the n-th on: what
 * succeeds with memory may fail without it, but never for good. */
static void never_fails_for_good(enum error_code (*attempt)(void *context), void *context)
{
    assert_int_equal(attempt(context), ERROR_NONE);
    for (int persistent = 0; persistent < 2; persistent++) {
        bool has_failed = true;
        size_t refused = 0;
        for (long n = 0; has_failed && n < 100000; n++) {
            fails_from_then_on = persistent;
            countdown = n;
            enum error_code code = attempt(context);
            has_failed = persistent ? countdown == 0 : countdown < 0;
            countdown = -1;
            if (code != ERROR_NONE)
                assert_int_equal(code, ERROR_UNAVAILABLE);
            refused += code != ERROR_NONE;
        }
        assert_true(refused > 1);
    }
}

/* A genuine alarm that is refused for good is lost: SMN does not send it again. */
static void a_genuine_message_is_never_refused_for_good(void **state)
{
    struct smn_settings smn = {.verify = SMN_VERIFY_PINNED};
    struct arena arena = {0};
    struct error error = {0};
    char *body = read_fixture("ces", "genuine-notification");
    struct judgement judgement = {.smn = &smn, .body = body};
    (void)state;
    assert_true(smn_pins_compiled_in(&smn, &arena, &error));
    never_fails_for_good(authenticate, &judgement);
    smn_pins_clear(&smn);
    arena_clear(&arena);
    free(body);
}

/* A certificate, in PEM, of the key that signed the genuine message. */
static char *certificate_of_huawei_s_key(void)
{
    struct smn_settings smn = {0};
    struct arena arena = {0};
    struct error error = {0};
    X509 *certificate = X509_new();
    EVP_PKEY *issuer = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *pem = NULL;
    assert_true(smn_pins_compiled_in(&smn, &arena, &error));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, smn_pin_key(&smn.pins[0]));
    assert_true(X509_sign(certificate, issuer, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    long length = BIO_get_mem_data(bio, &data);
    pem = strndup(data, (size_t)length);
    BIO_free(bio);
    EVP_PKEY_free(issuer);
    X509_free(certificate);
    smn_pins_clear(&smn);
    arena_clear(&arena);
    return pem;
}

static bool give_certificate(void *context, const char *url, bool private_network, struct text *pem,
                             struct error *error)
{
    (void)url;
    (void)private_network;
    text_puts(pem, context);
    return pem->failed ? error_out_of_memory(error) : true;
}

static bool is_held(void *context, const char *file)
{
    (void)context;
    (void)file;
    return true;
}

static void hold(void *context, const char *file)
{
    (void)context;
    (void)file;
}

static void a_fetched_certificate_never_refuses_for_good(void **state)
{
    const struct smn_settings smn = {.verify = SMN_VERIFY_FETCH};
    char *body = read_fixture("ces", "genuine-notification"), *pem = certificate_of_huawei_s_key();
    const struct vendor_authority authority = {pem, give_certificate, is_held, hold};
    struct judgement judgement = {&smn, &authority, body};
    (void)state;
    never_fails_for_good(authenticate, &judgement);
    free(pem);
    free(body);
}

static enum error_code judge_certificate(void *context)
{
    struct error error = {0};
    bool is_in_force = smn_certificate_in_force(context, clock_wall_ms() / 1000, &error);
    assert_int_equal(is_in_force, error.code == ERROR_NONE);
    return error.code;
}

static enum error_code parse(void *context)
{
    struct json json = {0};
    struct arena arena = {0};
    struct receipt receipt = {0};
    struct error error = {0};
    const struct smn_settings smn = {.verify = SMN_VERIFY_OFF};
    const struct vendor_input input = {
        .body = context, .length = strlen(context), .now_ms = NOW_MS, .smn = &smn};
    if (json_parse(input.body, input.length, &json, &error))
        vendor_ces.parse(&input, &json, &arena, &receipt, &error);
    json_clear(&json);
    arena_clear(&arena);
    return error.code;
}

/* The id fills the arena's first block, so that every part of the link needs another. */
static void a_link_to_confirm_is_never_refused_for_good(void **state)
{
    char *body = read_fixture("ces", "01-subscription-confirmation");
    char *id = strstr(body, "00000000000000000000000000000001\",\"signature_version");
    struct text longer = {0};
    (void)state;
    assert_non_null(id);
    for (int length = 15000; length < 16384; length += 16) {
        text_append(&longer, body, (size_t)(id - body));
        text_printf(&longer, "%0*d%s", length, 0, id);
        never_fails_for_good(parse, longer.data);
        text_clear(&longer);
    }
    free(body);
}

static void a_certificate_is_never_found_wrong_for_good(void **state)
{
    char *pem = certificate_of_huawei_s_key();
    (void)state;
    never_fails_for_good(judge_certificate, pem);
    free(pem);
}

#define KEPT_URL "https://127.0.0.1/smn/SMN_cn-north-4_0.pem"

static void keep_certificate(const char *pem)
{
    struct arena arena = {0};
    char hex[SHA256_HEX_SIZE];
    const char *folder = state_folder(&arena, "certificates");
    assert_non_null(folder);
    assert_true(sha256_hex(KEPT_URL, strlen(KEPT_URL), hex));
    FILE *file = fopen(arena_printf(&arena, "%s/%s.pem", folder, hex), "w");
    assert_non_null(file);
    assert_true(fputs(pem, file) >= 0);
    assert_int_equal(fclose(file), 0);
    arena_clear(&arena);
}

static enum error_code get_kept(void *context)
{
    struct text pem = {0};
    struct error error = {0};
    struct certificates *certificates = certificates_new(false, "", &error);
    bool is_had =
        certificates && certificates_get(certificates, KEPT_URL, false, 1000, &pem, &error);
    if (is_had)
        assert_string_equal(text_string(&pem), context);
    else
        assert_true(*error.text);
    certificates_free(certificates);
    text_clear(&pem);
    return error.code;
}

static void a_kept_certificate_comes_whole_or_not_now(void **state)
{
    char folder[] = "/tmp/test_allocation.XXXXXX", command[64];
    char *pem = certificate_of_huawei_s_key();
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("XDG_STATE_HOME", folder, 1), 0);
    log_set_level(LOG_ERROR);
    keep_certificate(pem);
    never_fails_for_good(get_kept, pem);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    free(pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_is_mapped_whole_or_not_at_all),
        cmocka_unit_test(a_tree_is_made_whole_or_not_at_all),
        cmocka_unit_test(a_genuine_message_is_never_refused_for_good),
        cmocka_unit_test(a_fetched_certificate_never_refuses_for_good),
        cmocka_unit_test(a_link_to_confirm_is_never_refused_for_good),
        cmocka_unit_test(a_certificate_is_never_found_wrong_for_good),
        cmocka_unit_test(a_kept_certificate_comes_whole_or_not_now),
    };
    /* Before OpenSSL's first allocation. */
    if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free))
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
