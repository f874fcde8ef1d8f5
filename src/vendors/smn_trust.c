#include "vendors/smn_trust.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define RSA_BITS_MIN 2048
#define SIGNATURE_BYTES_MAX 1026 /* a multiple of 3, so that decoding needs no more */
#define BASE64_SIZE(bytes) ((bytes) / 3 * 4 + 1)

/* The certificate that Huawei publishes for pinning, CN=Huawei-Cloud-SMN-Meter, until 2030-09-07
 * (https://support.huaweicloud.com/usermanual-smn/smn_ug_a9000.html). Proved on messages of
 * cn-north-4, which name it so; sa-brazil-1 signs with another. */
static const char huawei_cloud_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIDWTCCAkGgAwIBAgIIdv23u/vU1zcwDQYJKoZIhvcNAQELBQAwODELMAkGA1UE\n"
    "BhMCQ04xDzANBgNVBAoTBkh1YXdlaTEYMBYGA1UEAxMPSHVhd2VpIENsb3VkIENB\n"
    "MB4XDTIwMDkwOTA2NDAwNFoXDTMwMDkwNzA2NDAwNFowPzELMAkGA1UEBhMCQ04x\n"
    "DzANBgNVBAoTBkh1YXdlaTEfMB0GA1UEAxMWSHVhd2VpLUNsb3VkLVNNTi1NZXRl\n"
    "cjCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAOunOsnncSp53UP4xetr\n"
    "A4tHiRj6kldrmyx5gYB/zbGblfwHDvh7Pw9633iq0y1ZwfE0yVu7mNAwdAAo1u7X\n"
    "lvO+ZLJkBsOjg2BU/BD7VfsVV7YJ51u467G0D7U8Qz8gIqsTbU1iT3koyNuUPmKe\n"
    "9J0bhKdR8wy6xuROWh/5Ec0y2n28FqIDXP91udkYgrXhasmejLwx4saRFaVl6nPE\n"
    "MOOWyrFDtU5bKWj8wZUwhRAuIeUVxu4TRxLu+zyuXk1Y4mG1RCDpIf5XsgDeitMr\n"
    "TsrdjuxEsgRTDCVl6WVEojzBv/AccLoBrbHFa+Pppp8/RDvDhuQrxizp+K4zSunQ\n"
    "iukCAwEAAaNgMF4wHwYDVR0jBBgwFoAU9JLn3OgwPepGkfxQ4xg4L8UVUSswDAYD\n"
    "VR0TBAUwAwEBADAOBgNVHQ8BAf8EBAMCA6gwHQYDVR0lBBYwFAYIKwYBBQUHAwEG\n"
    "CCsGAQUFBwMCMA0GCSqGSIb3DQEBCwUAA4IBAQALQt+Fy2yOs/Z7PL0xq2g8lWx0\n"
    "7zNaUcYYdFcZeiwfuLSTOeFJiPFKyAsN7Bl7wIjFT8ZsHDhBJE5bkYnjdYxO1jnq\n"
    "xCeNDErlP0nD7j+p5YZMtMWv/vPod3EBQ4z5ThNvAljeSx9iQKL0HL7lxOJ4ssId\n"
    "zsFlSZCdkRbNQb4Vb8r72J0Yu8hiSUTvvIMERTBzYtTFUTTmJz4oX5HvBj4KEycF\n"
    "RWjrNp6g82RRcSEPQl8XeoqOAiCSr1ddsTLQDqWgKWA68Tc64LPMxG3BC2cl0GrK\n"
    "Ilqom+ZuaR05jslMr7jSCQwUcLIk0Loxv2YYrE9Yqju/v2s8LKXwiLVsxxTU\n"
    "-----END CERTIFICATE-----\n";

static const struct {
    const char *file, *pem;
    int64_t ends_s; /* as the certificate says, which is not read before it is needed */
} compiled_in[] = {
    {"SMN_cn-north-4_b98100ca131b4116ab8ee7ccedbaae99.pem", huawei_cloud_pem, 1914993604},
};
#define COMPILED_IN (sizeof compiled_in / sizeof *compiled_in)

/* Regions with an SMN endpoint, from Huawei's own SDK and the captures on record, and the hosts
 * that serve their certificates. A list and no pattern: object storage gives any name below the
 * same domains to anybody (BUCKET.obs.REGION.myhuaweicloud.com). */
static const struct {
    const char *region, *domain; /* smn.REGION.DOMAIN */
} regions[] = {
    {"ae-ad-1", "myhuaweicloud.com"},        {"af-south-1", "myhuaweicloud.com"},
    {"ap-southeast-1", "myhuaweicloud.com"}, {"ap-southeast-2", "myhuaweicloud.com"},
    {"ap-southeast-3", "myhuaweicloud.com"}, {"ap-southeast-4", "myhuaweicloud.com"},
    {"cn-east-2", "myhuaweicloud.com"},      {"cn-east-3", "myhuaweicloud.com"},
    {"cn-east-4", "myhuaweicloud.com"},      {"cn-east-5", "myhuaweicloud.com"},
    {"cn-north-1", "myhuaweicloud.com"},     {"cn-north-2", "myhuaweicloud.cn"},
    {"cn-north-4", "myhuaweicloud.com"},     {"cn-north-9", "myhuaweicloud.com"},
    {"cn-north-11", "myhuaweicloud.com"},    {"cn-north-12", "myhuaweicloud.com"},
    {"cn-south-1", "myhuaweicloud.com"},     {"cn-south-2", "myhuaweicloud.com"},
    {"cn-south-4", "myhuaweicloud.com"},     {"cn-southwest-2", "myhuaweicloud.com"},
    {"cn-southwest-3", "myhuaweicloud.com"}, {"eu-de", "otc.t-systems.com"},
    {"eu-nl", "otc.t-systems.com"},          {"eu-west-0", "myhuaweicloud.com"},
    {"eu-west-101", "myhuaweicloud.eu"},     {"la-north-2", "myhuaweicloud.com"},
    {"la-south-2", "myhuaweicloud.com"},     {"my-kualalumpur-1", "myhuaweicloud.com"},
    {"na-mexico-1", "myhuaweicloud.com"},    {"ru-moscow-1", "myhuaweicloud.com"},
    {"sa-brazil-1", "myhuaweicloud.com"},    {"tr-west-1", "myhuaweicloud.com"},
};

/* The domain of a region's SMN, or NULL. */
static const char *domain_of(const char *region)
{
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        if (!strcmp(region, regions[i].region))
            return regions[i].domain;
    }
    return NULL;
}

#define CONSOLE "console.huaweicloud.com"

/* When a certificate ends; 0 if it does not say. */
static int64_t end_of(const X509 *certificate)
{
    struct tm end = {0};
    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) ? (int64_t)timegm(&end) : 0;
}

static EVP_PKEY *public_key(const char *pem, const char *file, int64_t *ends_s, struct error *error)
{
    EVP_PKEY *key = NULL;
    X509 *second = NULL;
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (!certificate) {
        error_set(error, ERROR_INVALID, "%s holds no certificate in PEM form", file);
        goto out;
    }
    second = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (second) {
        error_set(error, ERROR_INVALID, "%s holds more than one certificate", file);
        goto out;
    }
    *ends_s = end_of(certificate);
    key = X509_get_pubkey(certificate);
    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
        EVP_PKEY_get_bits(key) < RSA_BITS_MIN) {
        error_set(error, ERROR_INVALID, "%s: SMN signs with RSA keys of at least %d bits", file,
                  RSA_BITS_MIN);
        EVP_PKEY_free(key);
        key = NULL;
    }
out:
    X509_free(second);
    X509_free(certificate);
    BIO_free(bio);
    return key;
}

bool smn_pin_add(struct smn_settings *settings, struct arena *arena, const char *pem,
                 const char *file, struct error *error)
{
    struct smn_pin *pins = arena_alloc(arena, (settings->pin_count + 1) * sizeof *pins);
    const char *name = arena_string(arena, file);
    if (!pins || arena->failed)
        return error_out_of_memory(error);
    int64_t ends_s = 0;
    EVP_PKEY *key = public_key(pem, file, &ends_s, error);
    if (!key)
        return false;
    if (settings->pin_count > 0)
        memcpy(pins, settings->pins, settings->pin_count * sizeof *pins);
    pins[settings->pin_count] = (struct smn_pin){key, name, ends_s};
    settings->pins = pins;
    settings->pin_count++;
    return true;
}

bool smn_pins_compiled_in(struct smn_settings *settings, struct arena *arena, struct error *error)
{
    settings->pins = arena_alloc(arena, COMPILED_IN * sizeof *settings->pins);
    if (!settings->pins)
        return error_out_of_memory(error);
    for (size_t i = 0; i < COMPILED_IN; i++)
        settings->pins[i] = (struct smn_pin){NULL, compiled_in[i].file, compiled_in[i].ends_s};
    settings->pin_count = COMPILED_IN;
    return true;
}

/* Read when first asked for, which most processes of plain CGI never are; kept to the end. */
static EVP_PKEY *compiled_in_key(const char *file)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static EVP_PKEY *keys[COMPILED_IN];
    struct error ignored = {0};
    int64_t ends_s;
    size_t i = 0;
    while (compiled_in[i].file != file)
        i++;
    (void)pthread_mutex_lock(&lock);
    if (!keys[i])
        keys[i] = public_key(compiled_in[i].pem, file, &ends_s, &ignored);
    EVP_PKEY *key = keys[i];
    (void)pthread_mutex_unlock(&lock);
    return key;
}

struct evp_pkey_st *smn_pin_key(const struct smn_pin *pin)
{
    return pin->key ? pin->key : compiled_in_key(pin->file);
}

void smn_pins_clear(struct smn_settings *settings)
{
    for (size_t i = 0; i < settings->pin_count; i++)
        EVP_PKEY_free(settings->pins[i].key);
    settings->pins = NULL;
    settings->pin_count = 0;
}

/* Strict base64 (RFC 4648, 4): what does not encode to the same text again is refused, as white
 * space, too much padding, or bits behind the end. 0: none of it. */
static size_t decode_base64(const char *text, unsigned char out[static SIGNATURE_BYTES_MAX])
{
    unsigned char again[BASE64_SIZE(SIGNATURE_BYTES_MAX)];
    size_t length = strlen(text);
    if (length % 4 || length >= sizeof again)
        return 0;
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    int bytes = EVP_DecodeBlock(out, (const unsigned char *)text, (int)length);
    if (bytes < (int)padding)
        return 0;
    bytes -= (int)padding;
    EVP_EncodeBlock(again, out, bytes);
    return memcmp(again, text, length + 1) ? 0 : (size_t)bytes;
}

/* Whether OpenSSL's errors say that the signature is wrong: a failure for want of memory has the
 * same result, and says nothing of a signature. */
static bool says_wrong_signature(void)
{
    bool says_wrong = false, failed = false;
    for (unsigned long code; (code = ERR_get_error()) != 0;) {
        says_wrong = says_wrong || (ERR_GET_LIB(code) == ERR_LIB_RSA && !ERR_COMMON_ERROR(code));
        failed = failed || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    }
    return says_wrong && !failed;
}

/* 1: genuine, 0: not by this key, -1: no memory. */
static int check(EVP_PKEY *key, const char *bytes, size_t length, const unsigned char *signature,
                 size_t signature_length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL;
    int result = -1;
    ERR_clear_error();
    if (key && context &&
        EVP_DigestVerifyInit(context, &key_context, EVP_sha256(), NULL, key) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PADDING) == 1)
        result = EVP_DigestVerify(context, signature, signature_length,
                                  (const unsigned char *)bytes, length) == 1;
    if (result == 0 && !says_wrong_signature())
        result = -1;
    EVP_MD_CTX_free(context);
    return result;
}

/* A message, as it is to be verified. */
struct signed_message {
    const char *bytes, *file;
    size_t length, signature_length;
    const unsigned char *signature;
};

/* Tries the certificates of the file that the message names, or all others. NULL: it is by none of
 * them, or memory has failed. */
static const struct smn_pin *find_signer(const struct smn_settings *settings,
                                         const struct signed_message *message, bool named,
                                         bool *failed)
{
    for (size_t i = 0; i < settings->pin_count; i++) {
        const struct smn_pin *pin = &settings->pins[i];
        if (!strcmp(pin->file, message->file) != named)
            continue;
        int result = check(smn_pin_key(pin), message->bytes, message->length, message->signature,
                           message->signature_length);
        if (result == 1)
            return pin;
        *failed = *failed || result < 0;
    }
    return NULL;
}

static bool is_pinned(const struct smn_settings *settings, const char *file)
{
    bool is_held = false;
    for (size_t i = 0; i < settings->pin_count; i++)
        is_held = is_held || !strcmp(settings->pins[i].file, file);
    return is_held;
}

enum smn_verdict smn_verify(const struct smn_settings *settings, const char *signed_bytes,
                            size_t signed_length, const char *signature, const char *file,
                            const struct smn_pin **pin)
{
    unsigned char decoded[SIGNATURE_BYTES_MAX];
    size_t length = decode_base64(signature, decoded);
    const struct signed_message message = {signed_bytes, file, signed_length, length, decoded};
    bool failed = false;
    if (length == 0)
        return SMN_FORGED;
    /* The one that it names first: of the others, most likely none will do. */
    const struct smn_pin *signer = find_signer(settings, &message, true, &failed);
    if (!signer)
        signer = find_signer(settings, &message, false, &failed);
    if (signer && pin)
        *pin = signer;
    if (signer)
        return SMN_GENUINE;
    if (failed)
        return SMN_FAILED;
    return is_pinned(settings, file) ? SMN_FORGED : SMN_NOT_HELD;
}

bool smn_host_is_configured(const struct smn_settings *settings, const char *host)
{
    for (size_t i = 0; i < settings->host_count; i++) {
        if (!strcmp(host, settings->hosts[i]))
            return true;
    }
    return false;
}

bool smn_confirm_host(const struct smn_settings *settings, const char *host, const char *region)
{
    if (smn_host_is_configured(settings, host) || !strcmp(host, CONSOLE))
        return true;
    size_t length = strlen(region);
    if (strncmp(host, region, length) || strcmp(host + length, "-" CONSOLE))
        return false;
    return domain_of(region) != NULL;
}

bool smn_certificate_in_force(const char *pem, int64_t now_s, struct error *error)
{
    struct error cause = {0};
    time_t now = (time_t)now_s;
    int64_t ends_s = 0;
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = public_key(pem, "what was fetched", &ends_s, &cause);
    bool is_in_force = certificate && key;
    if (!is_in_force)
        error_set(error, ERROR_UNAVAILABLE, "%s", cause.code ? cause.text : "out of memory");
    else if (X509_cmp_time(X509_get0_notBefore(certificate), &now) >= 0 ||
             X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0)
        is_in_force = error_set(error, ERROR_UNAVAILABLE, "the certificate is not in force now");
    EVP_PKEY_free(key);
    X509_free(certificate);
    BIO_free(bio);
    return is_in_force;
}

/* Whether name is "SMN_REGION_ID.pem", with an ID of so many of these digits. */
static bool is_certificate_file(const char *name, const char *region, size_t id_min, size_t id_max,
                                const char *digits)
{
    size_t length = strlen(region);
    if (strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") < length)
        return false;
    if (strncmp(name, "SMN_", 4) || strncmp(name + 4, region, length) || name[4 + length] != '_')
        return false;
    const char *id = name + 4 + length + 1;
    size_t id_length = strspn(id, digits);
    return id_length >= id_min && id_length <= id_max && !strcmp(id + id_length, ".pem");
}

bool smn_certificate_url(const struct smn_settings *settings, const char *url, const char *region,
                         bool *private_network, struct error *error)
{
    static const char scheme[] = "https://", old_path[] = "/smn/",
                      api_path[] = "/v2/notifications/certifications/download/";
    static const char hex[] = "0123456789abcdef", id[] = "0123456789abcdef-";
    char host[256], expected[256] = "";
    const char *domain = domain_of(region);
    *private_network = false;
    if (strncmp(url, scheme, strlen(scheme)))
        return error_set(error, ERROR_FORBIDDEN, "signing_cert_url is no https address");
    const char *start = url + strlen(scheme);
    size_t length = strcspn(start, "/");
    if (length >= sizeof host)
        return error_set(error, ERROR_FORBIDDEN, "signing_cert_url has no host of SMN");
    memcpy(host, start, length);
    host[length] = '\0';
    if (domain)
        snprintf(expected, sizeof expected, "smn.%s.%s", region, domain);
    if (smn_host_is_configured(settings, host))
        *private_network = settings->private_network;
    else if (!domain || strcmp(host, expected))
        return error_set(error, ERROR_FORBIDDEN,
                         "signing_cert_url leads to \"%.128s\", which "
                         "serves no certificates for the topic's region \"%.40s\" (smn.host adds "
                         "one)",
                         host, region);
    const char *path = start + length;
    if (!strncmp(path, old_path, strlen(old_path)) &&
        is_certificate_file(path + strlen(old_path), region, 32, 32, hex))
        return true;
    if (!strncmp(path, api_path, strlen(api_path)) &&
        is_certificate_file(path + strlen(api_path), region, 32, 36, id))
        return true;
    return error_set(error, ERROR_FORBIDDEN,
                     "signing_cert_url has a path that no certificate of SMN has");
}
