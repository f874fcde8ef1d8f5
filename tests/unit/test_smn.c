#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/text.h"
#include "vendors/smn.h"

#define TOPIC "urn:smn:cn-north-4:0123456789abcdef0123456789abcdef:ops-alarms"
#define CERTIFICATE "SMN_cn-north-4_00000000000000000000000000000000.pem"
#define CERTIFICATE_URL "https://smn.cn-north-4.myhuaweicloud.com/smn/" CERTIFICATE
#define SIGNED_AT "2026-11-20T08:39:44Z"
#define SIGNED_AT_S 1795163984

static EVP_PKEY *key;
static char *certificate_pem;
static struct arena arena;

/* A self-signed certificate of key, in PEM, in force from and to so many seconds from now. */
static char *make_certificate_for(EVP_PKEY *of, long from_s, long to_s)
{
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *copy;
    assert_non_null(certificate);
    assert_non_null(bio);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, of);
    assert_true(X509_sign(certificate, of, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    long length = BIO_get_mem_data(bio, &data);
    copy = strndup(data, (size_t)length);
    BIO_free(bio);
    X509_free(certificate);
    return copy;
}

static char *make_certificate(EVP_PKEY *of)
{
    return make_certificate_for(of, 0, 86400);
}

static int make_key(void **state)
{
    (void)state;
    key = EVP_RSA_gen(2048);
    certificate_pem = make_certificate(key);
    return certificate_pem ? 0 : -1;
}

static int free_key(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    free(certificate_pem);
    arena_clear(&arena);
    return 0;
}

static void add_base64_signature(struct text *out, const char *bytes, size_t length)
{
    unsigned char raw[512], base64[700];
    size_t raw_length = sizeof raw;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, raw, &raw_length, (const unsigned char *)bytes, length), 1);
    text_append(out, (const char *)base64, (size_t)EVP_EncodeBlock(base64, raw, (int)raw_length));
    EVP_MD_CTX_free(context);
}

/* An envelope as the members say, signed over `bytes`. */
static const char *envelope(const char *members, const char *bytes, size_t length)
{
    struct text out = {0};
    text_printf(&out,
                "{%s,\"signature_version\":\"v1\",\"signing_cert_url\":\"%s\",\"signature\":\"",
                members, CERTIFICATE_URL);
    add_base64_signature(&out, bytes, length);
    text_puts(&out, "\"}");
    return text_into(&out, &arena);
}

#define MEMBERS(message)                                                     \
    "\"type\":\"Notification\",\"message_id\":\"0a\",\"topic_urn\":\"" TOPIC \
    "\",\"subject\":\"s\",\"timestamp\":\"" SIGNED_AT "\",\"message\":\"" message "\""
#define BYTES(message)                                                        \
    "message\n" message "\nmessage_id\n0a\nsubject\ns\ntimestamp\n" SIGNED_AT \
    "\ntopic_urn\n" TOPIC "\ntype\nNotification\n"
#define SIGNED(members, bytes) envelope(members, bytes, sizeof(bytes) - 1)

struct trial {
    struct smn_settings smn;
    const char *topics[2];
    size_t topic_count;
    int64_t now_s;
    struct error error;
};

static struct trial new_trial(bool with_pin)
{
    struct trial trial = {.smn = {.max_age_hours = 24}, .now_s = SIGNED_AT_S + 60};
    struct error error = {0};
    assert_true(smn_pins_compiled_in(&trial.smn, &arena, &error));
    if (with_pin)
        assert_true(smn_pin_add(&trial.smn, &arena, certificate_pem, CERTIFICATE, &error));
    return trial;
}

/* The code of what authenticating the body comes to. */
static enum error_code authenticate(struct trial *trial, const char *body)
{
    struct json json = {0};
    struct smn_envelope read;
    const struct vendor_input input = {.now_ms = trial->now_s * 1000,
                                       .smn = &trial->smn,
                                       .topic_urns = trial->topics,
                                       .topic_urn_count = trial->topic_count};
    trial->error = (struct error){0};
    if (json_parse(body, strlen(body), &json, &trial->error) &&
        smn_read(&json, NULL, &read, &trial->error))
        smn_authenticate(&input, &json, &read, &trial->error);
    json_clear(&json);
    return trial->error.code;
}

static void end_trial(struct trial *trial)
{
    smn_pins_clear(&trial->smn);
}

static void a_signed_notification_is_genuine(void **state)
{
    struct trial trial = new_trial(true);
    (void)state;
    assert_int_equal(authenticate(&trial, SIGNED(MEMBERS("hello"), BYTES("hello"))), ERROR_NONE);
    end_trial(&trial);
}

static void the_exact_bytes_are_what_is_signed(void **state)
{
    static const struct {
        const char *members, *bytes;
        size_t length;
    } cases[] = {
#define CASE(json, decoded) {MEMBERS(json), BYTES(decoded), sizeof(BYTES(decoded)) - 1}
        CASE("\\u4f60\\n\\\"\\\\\\/", "你\n\"\\/"),
        CASE("a\\u0000b", "a\0b"),
        CASE("\\ud83c\\udfe2", "🏢"),
        CASE("\xff\xfe", "\xff\xfe"),
    };
    struct trial trial = new_trial(true);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            authenticate(&trial, envelope(cases[i].members, cases[i].bytes, cases[i].length)),
            ERROR_NONE);
    end_trial(&trial);
}

static void an_empty_subject_is_left_out_of_what_is_signed(void **state)
{
    struct trial trial = new_trial(true);
    static const char bytes[] = "message\nm\nmessage_id\n0a\ntimestamp\n" SIGNED_AT
                                "\ntopic_urn\n" TOPIC "\ntype\nNotification\n";
    static const char members[] =
        "\"type\":\"Notification\",\"message_id\":\"0a\",\"topic_urn\":\"" TOPIC
        "\",\"subject\":\"\",\"timestamp\":\"" SIGNED_AT "\",\"message\":\"m\"";
    (void)state;
    assert_int_equal(authenticate(&trial, SIGNED(members, bytes)), ERROR_NONE);
    end_trial(&trial);
}

static void forgeries_are_refused_for_good(void **state)
{
    struct trial trial = new_trial(true);
    const char *good = SIGNED(MEMBERS("hello"), BYTES("hello"));
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"hello", "hellp"},
        {"\"0a\"", "\"0b\""},
        {"\"s\"", "\"t\""},
        {"08:39:44", "08:39:45"},
        {"ops-alarms", "ops-alarmz"},
        {"\"signature\":\"", "\"signature\":\"A"},
        {"\"signature\":\"", "\"signature\":\" "},
        {"\"signature\":\"", "\"signature\":\"\",\"x\":\""},
        {"\"signature\":\"", "\"x\":\""},
        {"hello\"", "hello\\nmessage_id\\n0a\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct text body = {0};
        const char *at = strstr(good, changes[i].from);
        assert_non_null(at);
        text_append(&body, good, (size_t)(at - good));
        text_puts(&body, changes[i].to);
        text_puts(&body, at + strlen(changes[i].from));
        assert_int_equal(authenticate(&trial, text_string(&body)), ERROR_FORBIDDEN);
        text_clear(&body);
    }
    end_trial(&trial);
}

static void every_flipped_bit_of_a_signature_is_refused(void **state)
{
    struct trial trial = new_trial(true);
    struct text good = {0};
    (void)state;
    add_base64_signature(&good, "bytes", 5);
    for (size_t i = 0; i < good.length - 2; i++) {
        good.data[i] = good.data[i] == 'A' ? 'B' : 'A';
        assert_int_equal(smn_verify(&trial.smn, "bytes", 5, good.data, CERTIFICATE, NULL),
                         SMN_FORGED);
        text_clear(&good);
        add_base64_signature(&good, "bytes", 5);
    }
    assert_int_equal(smn_verify(&trial.smn, "bytes", 5, good.data, CERTIFICATE, NULL), SMN_GENUINE);
    text_clear(&good);
    end_trial(&trial);
}

static void a_member_that_stands_twice_is_refused(void **state)
{
    struct trial trial = new_trial(true);
    const char *good = SIGNED(MEMBERS("hello"), BYTES("hello"));
    (void)state;
    const char *twice = arena_printf(&arena, "{\"mess\\u0061ge\":\"evil\",%s", good + 1);
    assert_int_equal(authenticate(&trial, twice), ERROR_INVALID);
    assert_non_null(strstr(trial.error.text, "message"));
    end_trial(&trial);
}

/* SMN signs whatever somebody writes into a message to a topic of their own, line breaks and all.
 */
static void the_lines_of_another_topic_s_message_are_no_message(void **state)
{
#define OWN_TOPIC "urn:smn:cn-north-4:00000000000000000000000000000001:own"
#define OWN_END "timestamp\n" SIGNED_AT "\ntopic_urn\n" OWN_TOPIC "\ntype\nNotification"
    static const char bytes[] = BYTES("forged") "message_id\n0b\n" OWN_END "\n";
    static const char members[] =
        "\"type\":\"Notification\\nmessage_id\\n0b\\ntimestamp\\n" SIGNED_AT
        "\\ntopic_urn\\n" OWN_TOPIC "\\ntype\\nNotification\",\"message_id\":\"0a\","
        "\"topic_urn\":\"" TOPIC "\",\"subject\":\"s\",\"timestamp\":\"" SIGNED_AT
        "\",\"message\":\"forged\"";
    struct trial trial = new_trial(true);
    (void)state;
    assert_int_equal(authenticate(&trial, SIGNED(members, bytes)), ERROR_FORBIDDEN);
    assert_non_null(strstr(trial.error.text, "\"type\" holds a line break"));
    end_trial(&trial);
}

static void line_breaks_behind_the_subject_are_refused(void **state)
{
    static const char *const members[] = {"message_id", "timestamp", "topic_urn", "type"};
    struct trial trial = new_trial(true);
    const char *good = SIGNED(MEMBERS("hello"), BYTES("hello"));
    (void)state;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *name = arena_printf(&arena, "\"%s\":\"", members[i]);
        const char *at = strstr(good, name);
        assert_non_null(at);
        at += strlen(name);
        const char *body =
            arena_printf(&arena, "%s\\n%s", arena_copy(&arena, good, (size_t)(at - good)), at);
        assert_int_equal(authenticate(&trial, body), ERROR_FORBIDDEN);
        assert_non_null(strstr(trial.error.text, "line break"));
    }
    end_trial(&trial);
}

static void a_certificate_that_is_not_held_is_no_final_judgement(void **state)
{
    struct trial trial = new_trial(false);
    (void)state;
    assert_int_equal(authenticate(&trial, SIGNED(MEMBERS("hello"), BYTES("hello"))),
                     ERROR_UNAVAILABLE);
    assert_non_null(strstr(trial.error.text, "smn.certificate"));
    assert_non_null(strstr(trial.error.text, CERTIFICATE));
    end_trial(&trial);
}

static void a_topic_that_is_not_taken_is_refused(void **state)
{
    static const struct {
        const char *pattern;
        enum error_code code;
    } cases[] = {
        {TOPIC, ERROR_NONE},
        {"urn:smn:cn-north-4:0123456789abcdef0123456789abcdef:ops-*", ERROR_NONE},
        {"*", ERROR_NONE},
        {"urn:smn:*:ops-*s", ERROR_NONE},
        {"urn:smn:cn-north-4:0123456789abcdef0123456789abcdef:op", ERROR_FORBIDDEN},
        {"urn:smn:cn-north-4:*:dev-*", ERROR_FORBIDDEN},
        {"ops-*", ERROR_FORBIDDEN},
        {"", ERROR_FORBIDDEN},
    };
    struct trial trial = new_trial(true);
    const char *body = SIGNED(MEMBERS("hello"), BYTES("hello"));
    (void)state;
    trial.topic_count = 2;
    trial.topics[0] = "urn:smn:none";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trial.topics[1] = cases[i].pattern;
        assert_int_equal(authenticate(&trial, body), cases[i].code);
    }
    end_trial(&trial);
}

static void a_doubtful_time_is_no_final_judgement(void **state)
{
    static const struct {
        int64_t ahead_s;
        int max_age_hours;
        enum error_code code;
    } cases[] = {
        {0, 24, ERROR_NONE},
        {24 * 3600, 24, ERROR_NONE},
        {24 * 3600 + 1, 24, ERROR_UNAVAILABLE},
        {24 * 3600 + 1, 25, ERROR_NONE},
        {1000 * 3600, 0, ERROR_NONE},
        {-300, 24, ERROR_NONE},
        {-301, 24, ERROR_UNAVAILABLE},
        {-301, 0, ERROR_NONE},
    };
    struct trial trial = new_trial(true);
    const char *body = SIGNED(MEMBERS("hello"), BYTES("hello"));
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trial.now_s = SIGNED_AT_S + cases[i].ahead_s;
        trial.smn.max_age_hours = cases[i].max_age_hours;
        assert_int_equal(authenticate(&trial, body), cases[i].code);
    }
    end_trial(&trial);
}

#define CONFIRM_URL \
    "https://console.huaweicloud.com/smn/subscription/confirm?token=t&topic_urn=" TOPIC
#define CONFIRM_MEMBERS                                                                  \
    "\"type\":\"SubscriptionConfirmation\",\"message_id\":\"0a\",\"topic_urn\":\"" TOPIC \
    "\",\"subscribe_url\":\"" CONFIRM_URL "\",\"timestamp\":\"" SIGNED_AT "\",\"message\":\"m\""
#define CONFIRM_BYTES                                                                   \
    "message\nm\nmessage_id\n0a\nsubscribe_url\n" CONFIRM_URL "\ntimestamp\n" SIGNED_AT \
    "\ntopic_urn\n" TOPIC "\ntype\nSubscriptionConfirmation\n"

static void a_confirmation_needs_a_signature_even_with_verify_off(void **state)
{
    struct trial trial = new_trial(true);
    (void)state;
    assert_int_equal(authenticate(&trial, SIGNED(CONFIRM_MEMBERS, CONFIRM_BYTES)), ERROR_NONE);
    assert_int_equal(authenticate(&trial, SIGNED(CONFIRM_MEMBERS, "x")), ERROR_FORBIDDEN);
    trial.smn.verify = SMN_VERIFY_OFF;
    assert_int_equal(authenticate(&trial, SIGNED(CONFIRM_MEMBERS, CONFIRM_BYTES)), ERROR_NONE);
    assert_int_equal(authenticate(&trial, SIGNED(CONFIRM_MEMBERS, "x")), ERROR_UNAVAILABLE);
    assert_int_equal(authenticate(&trial, SIGNED(MEMBERS("hello"), "x")), ERROR_NONE);
    end_trial(&trial);
}

static void only_the_console_s_own_link_may_be_visited(void **state)
{
    static const struct {
        const char *url;
        bool may;
    } cases[] = {
#define QUERY "?token=t&topic_urn=" TOPIC
#define PATH "/smn/subscription/confirm" QUERY
        {"https://console.huaweicloud.com" PATH, true},
        {"https://cn-north-4-console.huaweicloud.com" PATH "&region=cn-north-4", true},
        {"https://localhost:4433" PATH, true},
        {"https://console.huaweicloud.com/smn/subscription/confirm?token=t&topic_urn="
         "urn%3Asmn%3acn-north-4:0123456789abcdef0123456789abcdef:ops-alarms",
         true},
        {"http://console.huaweicloud.com" PATH, false},
        {"HTTPS://console.huaweicloud.com" PATH, false},
        {"https://Console.huaweicloud.com" PATH, false},
        {"https://console.huaweicloud.com." PATH, false},
        {"https://console.huaweicloud.com:443" PATH, false},
        {"https://console.huaweicloud.com:8443" PATH, false},
        {"https://user@console.huaweicloud.com" PATH, false},
        {"https://console.huaweicloud.com@evil.example" PATH, false},
        {"https://console.huaweicloud.com\\\\@evil.example" PATH, false},
        {"https://evil.example/console.huaweicloud.com" PATH, false},
        {"https://evil.example#console.huaweicloud.com" PATH, false},
        {"https://evil-console.huaweicloud.com" PATH, false},
        {"https://sa-brazil-1-console.huaweicloud.com" PATH, false},
        {"https://cn-north-4-console.huaweicloud.com.evil.example" PATH, false},
        {"https://console.huaweicloud.com.evil.example" PATH, false},
        {"https://smn.obs.myhuaweicloud.com" PATH, false},
        {"https://localhost" PATH, false},
        {"https://localhost:443" PATH, false},
        {"https://127.0.0.1" PATH, false},
        {"https://console.huaweicloud.com" QUERY, false},
        {"https://console.huaweicloud.com/smn/subscription/unsubscribe" QUERY, false},
        {"https://console.huaweicloud.com/smn/subscription/confirm/" QUERY, false},
        {"https://console.huaweicloud.com/smn/../smn/subscription/confirm" QUERY, false},
        {"https://console.huaweicloud.com/smn/subscription/%63onfirm" QUERY, false},
        {"https://console.huaweicloud.com//smn/subscription/confirm" QUERY, false},
        {"https://console.huaweicloud.com/smn/subscription/confirm", false},
        {"https://console.huaweicloud.com/smn/subscription/confirm?token=t", false},
        {"https://console.huaweicloud.com" PATH "&topic_urn=" TOPIC, false},
        {"https://console.huaweicloud.com" PATH "&%74opic_urn=x", false},
        {"https://console.huaweicloud.com" PATH "x", false},
        {"https://console.huaweicloud.com" PATH "%00", false},
        {"https://console.huaweicloud.com" PATH "%zz", false},
        {"https://console.huaweicloud.com" PATH "#x", false},
        {"https://console.huaweicloud.com" PATH " ", false},
        {"https://console.huaweicloud.com" PATH "\\r\\nX: y", false},
        {" https://console.huaweicloud.com" PATH, false},
        {"", false},
    };
    const char *const hosts[] = {"localhost:4433"};
    struct smn_settings smn = {.hosts = hosts, .host_count = 1};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json json = {0};
        struct smn_envelope read;
        struct error error = {0};
        const char *host;
        const char *body =
            arena_printf(&arena,
                         "{\"type\":\"SubscriptionConfirmation\",\"topic_urn\":\"" TOPIC
                         "\",\"subscribe_url\":\"%s\"}",
                         cases[i].url);
        assert_true(json_parse(body, strlen(body), &json, &error));
        assert_true(smn_read(&json, NULL, &read, &error));
        if (smn_confirm_url(&smn, &read, &arena, &host, &error) != cases[i].may)
            fail_msg("%s", cases[i].url);
        assert_int_equal(error.code, cases[i].may ? ERROR_NONE : ERROR_FORBIDDEN);
        json_clear(&json);
    }
}

static void a_pin_is_one_certificate_with_a_strong_key(void **state)
{
    struct smn_settings smn = {0};
    struct error error = {0};
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    char *weak_pem = make_certificate(weak);
    (void)state;
    assert_false(smn_pin_add(&smn, &arena, weak_pem, "weak.pem", &error));
    assert_non_null(strstr(error.text, "2048"));
    error = (struct error){0};
    assert_false(smn_pin_add(&smn, &arena, "no certificate", "none.pem", &error));
    error = (struct error){0};
    assert_false(smn_pin_add(&smn, &arena,
                             arena_printf(&arena, "%s%s", certificate_pem, certificate_pem),
                             "two.pem", &error));
    assert_int_equal(smn.pin_count, 0);
    free(weak_pem);
    EVP_PKEY_free(weak);
}

static void a_fetched_certificate_is_in_force_or_none(void **state)
{
    static const struct {
        long from_s, to_s;
        bool is_in_force;
    } cases[] = {{-60, 60, true}, {-120, -60, false}, {60, 120, false}};
    int64_t now_s = clock_wall_ms() / 1000;
    struct error error = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *pem = make_certificate_for(key, cases[i].from_s, cases[i].to_s);
        error = (struct error){0};
        assert_int_equal(smn_certificate_in_force(pem, now_s, &error), cases[i].is_in_force);
        assert_int_equal(error.code, cases[i].is_in_force ? ERROR_NONE : ERROR_UNAVAILABLE);
        free(pem);
    }
    error = (struct error){0};
    assert_false(smn_certificate_in_force("<html>", now_s, &error));
    assert_false(smn_certificate_in_force("", now_s, &error));
    const char *two = arena_printf(&arena, "%s%s", certificate_pem, certificate_pem);
    assert_false(smn_certificate_in_force(two, now_s, &error));
}

static void certificates_come_from_their_region_s_own_host(void **state)
{
#define ID "0123456789abcdef0123456789abcdef"
    static const struct {
        const char *region, *url;
        bool may;
    } cases[] = {
        {"cn-north-4", "https://smn.cn-north-4.myhuaweicloud.com/smn/SMN_cn-north-4_" ID ".pem",
         true},
        {"sa-brazil-1", "https://smn.sa-brazil-1.myhuaweicloud.com/smn/SMN_sa-brazil-1_" ID ".pem",
         true},
        {"cn-north-2", "https://smn.cn-north-2.myhuaweicloud.cn/smn/SMN_cn-north-2_" ID ".pem",
         true},
        {"eu-west-101", "https://smn.eu-west-101.myhuaweicloud.eu/smn/SMN_eu-west-101_" ID ".pem",
         true},
        {"eu-de", "https://smn.eu-de.otc.t-systems.com/smn/SMN_eu-de_" ID ".pem", true},
        {"cn-north-4",
         "https://smn.cn-north-4.myhuaweicloud.com/v2/notifications/certifications/download/"
         "SMN_cn-north-4_01234567-89ab-cdef-0123-456789abcdef.pem",
         true},
        {"cn-north-2", "https://smn.cn-north-2.myhuaweicloud.com/smn/SMN_cn-north-2_" ID ".pem",
         false},
        {"cn-north-4", "https://smn.cn-north-1.myhuaweicloud.com/smn/SMN_cn-north-1_" ID ".pem",
         false},
        {"cn-north-4", "https://smn.cn-north-4.myhuaweicloud.com/smn/SMN_cn-north-1_" ID ".pem",
         false},
        {"obs", "https://smn.obs.myhuaweicloud.com/smn/SMN_obs_" ID ".pem", false},
        {"", "https://smn..myhuaweicloud.com/smn/SMN__" ID ".pem", false},
        {"cn-north-4", "https://console.huaweicloud.com/smn/SMN_cn-north-4_" ID ".pem", false},
        {"cn-north-4", "https://smn.cn-north-4.myhuaweicloud.com:443/smn/SMN_cn-north-4_" ID ".pem",
         false},
        {"cn-north-4", "https://smn.cn-north-4.myhuaweicloud.com/SMN_cn-north-4_" ID ".pem", false},
        {"cn-north-4", "https://smn.cn-north-4.myhuaweicloud.com/smn/SMN_cn-north-4_" ID ".pem\n",
         false},
        {"cn-north-4", "https://smn.cn-north-4.myhuaweicloud.com", false},
        {"cn-north-4", "", false},
    };
    struct smn_settings smn = {0};
    bool private_network;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        if (smn_certificate_url(&smn, cases[i].url, cases[i].region, &private_network, &error) !=
            cases[i].may)
            fail_msg("%s", cases[i].url);
        assert_false(private_network);
    }
}

/* The region comes from the message, and stands in the path. */
static void a_region_that_is_no_word_is_no_way_to_another_path(void **state)
{
    static const char *const regions[] = {"/../../x?", "a/b", "a#", "a?", "%2e", "a b", "\b", "A"};
    const char *hosts[] = {"mirror.example.com:8443"};
    const struct smn_settings smn = {.hosts = hosts, .host_count = 1};
    bool private_network;
    struct error error = {0};
    (void)state;
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        const char *url =
            arena_printf(&arena, "https://%s/smn/SMN_%s_" ID ".pem", hosts[0], regions[i]);
        if (smn_certificate_url(&smn, url, regions[i], &private_network, &error))
            fail_msg("%s", url);
    }
    const char *url = arena_printf(&arena, "https://%s/smn/SMN_own-1_" ID ".pem", hosts[0]);
    assert_true(smn_certificate_url(&smn, url, "own-1", &private_network, &error));
}

static void an_envelope_has_members_of_smn_s_own(void **state)
{
    static const struct {
        const char *body;
        bool is_one;
    } cases[] = {
        {"{\"type\":\"Notification\",\"topic_urn\":\"x\"}", true},
        {"{\"message\":\"x\",\"signature\":\"x\"}", true},
        {"{\"message_id\":\"x\",\"signing_cert_url\":\"x\",\"df_tag\":1}", true},
        {"{\"type\":\"x\",\"subscribe_url\":\"x\"}", true},
        {"{\"type\":\"x\",\"message\":\"x\"}", false},
        {"{\"type\":\"x\",\"message\":\"x\",\"df_title\":\"x\"}", false},
        {"{\"topic_urn\":\"x\"}", false},
        {"{}", false},
        {"[{\"message_id\":\"x\",\"signature\":\"x\"}]", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json json;
        struct error error = {0};
        assert_true(json_parse(cases[i].body, strlen(cases[i].body), &json, &error));
        if (smn_recognises(json.root) != cases[i].is_one)
            fail_msg("%s", cases[i].body);
        json_clear(&json);
    }
}

static void an_envelope_says_what_it_lacks(void **state)
{
    static const struct {
        const char *body, *words;
    } cases[] = {
        {"[]", "object"},
        {"{}", "\"type\""},
        {"{\"type\":1}", "\"type\""},
        {"{\"type\":\"Notification\"}", "\"message\""},
        {"{\"type\":\"Notification\",\"message\":null}", "\"message\""},
    };
    struct trial trial = new_trial(false);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(authenticate(&trial, cases[i].body), ERROR_INVALID);
        assert_non_null(strstr(trial.error.text, cases[i].words));
    }
    end_trial(&trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_notification_is_genuine),
        cmocka_unit_test(the_exact_bytes_are_what_is_signed),
        cmocka_unit_test(an_empty_subject_is_left_out_of_what_is_signed),
        cmocka_unit_test(forgeries_are_refused_for_good),
        cmocka_unit_test(every_flipped_bit_of_a_signature_is_refused),
        cmocka_unit_test(a_member_that_stands_twice_is_refused),
        cmocka_unit_test(the_lines_of_another_topic_s_message_are_no_message),
        cmocka_unit_test(line_breaks_behind_the_subject_are_refused),
        cmocka_unit_test(a_certificate_that_is_not_held_is_no_final_judgement),
        cmocka_unit_test(a_topic_that_is_not_taken_is_refused),
        cmocka_unit_test(a_doubtful_time_is_no_final_judgement),
        cmocka_unit_test(a_confirmation_needs_a_signature_even_with_verify_off),
        cmocka_unit_test(only_the_console_s_own_link_may_be_visited),
        cmocka_unit_test(a_pin_is_one_certificate_with_a_strong_key),
        cmocka_unit_test(a_fetched_certificate_is_in_force_or_none),
        cmocka_unit_test(certificates_come_from_their_region_s_own_host),
        cmocka_unit_test(a_region_that_is_no_word_is_no_way_to_another_path),
        cmocka_unit_test(an_envelope_has_members_of_smn_s_own),
        cmocka_unit_test(an_envelope_says_what_it_lacks),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
