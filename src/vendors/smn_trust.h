/*
 * Trust in SMN messages: pinned public keys, the signature, the hosts that may be visited.
 *
 * RSASSA-PKCS1-v1_5 with SHA-256 over name LF value LF of the signed members in alphabetical
 * order (https://support.huaweicloud.com/intl/en-us/usermanual-smn/smn_ug_a9003.html), proved on
 * genuine messages. Only the public key of a pinned certificate counts: its issuer is a private CA.
 */
#ifndef VENDORS_SMN_TRUST_H
#define VENDORS_SMN_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

enum smn_verify { SMN_VERIFY_FETCH, SMN_VERIFY_PINNED, SMN_VERIFY_OFF };

struct smn_pin {
    struct evp_pkey_st *key; /* NULL: compiled in, see smn_pin_key() */
    const char *file; /* name that signing_cert_url ends with when SMN means this certificate */
    int64_t ends_s;   /* when the certificate ends, seconds since 1970 */
};

/* The section `smn` of the configuration. */
struct smn_settings {
    enum smn_verify verify;
    struct smn_pin *pins; /* compiled in and configured */
    size_t pin_count;
    const char *const *hosts; /* HOST or HOST:PORT beyond the compiled-in ones */
    size_t host_count;
    bool private_network;
    int max_age_hours;
};

/* Adds the certificate in PEM text (one, RSA of at least 2048 bits) as a pin called file. What
 * OpenSSL cannot read for want of memory it does not tell from what is wrong: ERROR_INVALID is no
 * reason to refuse a message. */
bool smn_pin_add(struct smn_settings *settings, struct arena *arena, const char *pem,
                 const char *file, struct error *error) __attribute__((nonnull));

/* Begins the pins with those that are compiled in. */
bool smn_pins_compiled_in(struct smn_settings *settings, struct arena *arena, struct error *error)
    __attribute__((nonnull));

/* The key of a pin, borrowed. NULL when out of memory. */
struct evp_pkey_st *smn_pin_key(const struct smn_pin *pin) __attribute__((nonnull));

/* Frees the pins' keys. */
void smn_pins_clear(struct smn_settings *settings) __attribute__((nonnull));

enum smn_verdict { SMN_GENUINE, SMN_FORGED, SMN_NOT_HELD, SMN_FAILED };

/* Tries every pin on the base64 signature of the signed bytes. FORGED: none fits although the
 * certificate named `file` is held; NOT_HELD: none fits and it is not; FAILED: no memory. pin is
 * set to the one that fits. */
enum smn_verdict smn_verify(const struct smn_settings *settings, const char *signed_bytes,
                            size_t signed_length, const char *signature, const char *file,
                            const struct smn_pin **pin) __attribute__((nonnull(1, 2, 4, 5)));

/* Whether PEM text is one certificate with a key that SMN could sign with, in force at now_s
 * (seconds since 1970). Else ERROR_UNAVAILABLE says what is wrong with it. */
bool smn_certificate_in_force(const char *pem, int64_t now_s, struct error *error)
    __attribute__((nonnull));

/* Whether url is where SMN publishes the certificates of region: exact host, exact path, nothing
 * re-encoded. Else ERROR_FORBIDDEN says what is wrong with it. private_network: whether the host
 * may have a private address. */
bool smn_certificate_url(const struct smn_settings *settings, const char *url, const char *region,
                         bool *private_network, struct error *error) __attribute__((nonnull));

/* Whether host ("HOST" or "HOST:PORT") stands in the setting smn.host. */
bool smn_host_is_configured(const struct smn_settings *settings, const char *host)
    __attribute__((nonnull));

/* Whether host may carry a confirmation of a topic in region. */
bool smn_confirm_host(const struct smn_settings *settings, const char *host, const char *region)
    __attribute__((nonnull));

#endif
