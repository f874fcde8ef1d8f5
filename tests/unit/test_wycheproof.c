/*
 * Project Wycheproof's signatures (tests/vectors/wycheproof) through the verifier: what is
 * "valid" is genuine, all else is not. "acceptable" is one of them, a signature whose padding
 * lacks a NULL as some old programs left it out; it is refused.
 */
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
#include <openssl/x509.h>

#include "base/json.h"
#include "base/text.h"
#include "vendors/smn_trust.h"

#define VECTORS "tests/vectors/wycheproof/rsa_signature_2048_sha256_test.json"
#define FILE_NAME "SMN_cn-north-4_00000000000000000000000000000000.pem"
#define SIGNATURE_BYTES_MAX 512
#define MESSAGE_BYTES_MAX 64

static struct arena arena;
static struct text file;
static struct json vectors;

static int read_vectors(void **state)
{
    char buffer[65536];
    struct error error = {0};
    FILE *stream = fopen(VECTORS, "rb");
    size_t count;
    (void)state;
    if (!stream)
        return -1;
    while ((count = fread(buffer, 1, sizeof buffer, stream)) > 0)
        text_append(&file, buffer, count);
    fclose(stream);
    return json_parse(text_string(&file), file.length, &vectors, &error) ? 0 : -1;
}

static int free_vectors(void **state)
{
    (void)state;
    json_clear(&vectors);
    text_clear(&file);
    arena_clear(&arena);
    return 0;
}

static size_t decode_hex(const char *hex, unsigned char *bytes, size_t size)
{
    size_t length = 0;
    for (; *hex; hex += 2) {
        unsigned byte;
        assert_true(length < size);
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        bytes[length++] = (unsigned char)byte;
    }
    return length;
}

/* A certificate of somebody's around a public key: a pin's key is all that counts. */
static char *certificate_around(const char *key_pem)
{
    BIO *in = BIO_new_mem_buf(key_pem, -1), *out = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL), *issuer = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    char *data;
    assert_non_null(key);
    assert_non_null(issuer);
    assert_non_null(certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, issuer, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
    long length = BIO_get_mem_data(out, &data);
    char *pem = strndup(data, (size_t)length);
    X509_free(certificate);
    EVP_PKEY_free(issuer);
    EVP_PKEY_free(key);
    BIO_free(out);
    BIO_free(in);
    return pem;
}

static bool is_genuine(const struct smn_settings *smn, const cJSON *vector)
{
    unsigned char message[MESSAGE_BYTES_MAX], signature[SIGNATURE_BYTES_MAX];
    unsigned char base64[SIGNATURE_BYTES_MAX / 3 * 4 + 8];
    size_t message_length = decode_hex(json_string(vector, "msg"), message, sizeof message);
    size_t length = decode_hex(json_string(vector, "sig"), signature, sizeof signature);
    EVP_EncodeBlock(base64, signature, (int)length);
    return smn_verify(smn, (const char *)message, message_length, (const char *)base64, FILE_NAME,
                      NULL) == SMN_GENUINE;
}

/* How many vectors with that result there are, each of which has to be genuine, or not to be. */
static int judge(const char *result, bool expected)
{
    const cJSON *group, *vector;
    int count = 0;
    cJSON_ArrayForEach(group, json_get(vectors.root, "testGroups"))
    {
        struct smn_settings smn = {.verify = SMN_VERIFY_PINNED};
        struct error error = {0};
        char *pem = certificate_around(json_string(group, "publicKeyPem"));
        assert_true(smn_pin_add(&smn, &arena, pem, FILE_NAME, &error));
        cJSON_ArrayForEach(vector, json_get(group, "tests"))
        {
            if (strcmp(json_string(vector, "result"), result))
                continue;
            count++;
            if (is_genuine(&smn, vector) != expected)
                fail_msg("%s: %s", result, json_compact(&arena, vector));
        }
        smn_pins_clear(&smn);
        free(pem);
    }
    return count;
}

static void no_invalid_signature_is_genuine(void **state)
{
    (void)state;
    assert_int_equal(judge("invalid", false), 249);
}

static void every_valid_signature_is_genuine(void **state)
{
    (void)state;
    assert_int_equal(judge("valid", true), 9);
}

static void a_padding_without_its_null_is_refused_although_some_accept_it(void **state)
{
    (void)state;
    assert_int_equal(judge("acceptable", false), 1);
}

static void there_are_259_vectors(void **state)
{
    const cJSON *group;
    int count = 0;
    (void)state;
    cJSON_ArrayForEach(group, json_get(vectors.root, "testGroups")) count +=
        cJSON_GetArraySize(json_get(group, "tests"));
    assert_int_equal(count, 259);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_259_vectors),
        cmocka_unit_test(every_valid_signature_is_genuine),
        cmocka_unit_test(no_invalid_signature_is_genuine),
        cmocka_unit_test(a_padding_without_its_null_is_refused_although_some_accept_it),
    };
    return cmocka_run_group_tests(tests, read_vectors, free_vectors);
}
