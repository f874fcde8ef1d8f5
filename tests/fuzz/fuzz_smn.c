/*
 * libFuzzer: the envelope of SMN, with the pins that are compiled in. Nothing is genuine but what
 * Huawei signed, of which the corpus holds the messages below; no subscription is ever confirmed.
 */
#include "base/digest.h"
#include "fit.h"
#include "fuzz.h"

/* SHA-256 of the signed bytes. */
static const char *const genuine[] = {
    "1086903bab17eb7a4c8c668d364171d769701043d51151251b16168207074230",
};

static struct smn_settings settings;

static bool certificate(void *context, const char *url, bool private_network, struct text *pem,
                        struct error *error)
{
    (void)context;
    (void)pem;
    MUST(!strncmp(url, "https://smn.", strlen("https://smn.")) && !private_network);
    return error_set(error, ERROR_UNAVAILABLE, "nothing is fetched here");
}

static bool is_held(void *context, const char *file)
{
    (void)context;
    return !strcmp(file, "held.pem");
}

static void hold(void *context, const char *file)
{
    bool *was_held = context;
    MUST(!strchr(file, '/'));
    *was_held = true;
}

/* Whether the lines behind the message are what they say. */
static bool is_a_line_each(const struct smn_envelope *envelope)
{
    return !strchr(envelope->message_id, '\n') && !strchr(envelope->timestamp, '\n') &&
           !strchr(envelope->topic_urn, '\n') && !strchr(envelope->type_name, '\n');
}

static void must_be_genuine(const struct json *json, const struct smn_envelope *envelope)
{
    char hex[SHA256_HEX_SIZE];
    struct text bytes = {0};
    bool is_known = false;
    smn_signed_bytes(json, envelope, &bytes);
    MUST(sha256_hex(text_string(&bytes), bytes.length, hex));
    for (size_t i = 0; i < sizeof genuine / sizeof *genuine; i++)
        is_known = is_known || !strcmp(genuine[i], hex);
    MUST(is_known);
    MUST(is_a_line_each(envelope));
    text_clear(&bytes);
}

static void check(const struct json *json, const struct smn_envelope *envelope)
{
    bool was_held = false;
    const struct vendor_authority authority = {&was_held, certificate, is_held, hold};
    const struct vendor_authority *const authorities[] = {NULL, &authority};
    for (size_t i = 0; i < 2; i++) {
        struct error error = {0};
        const struct smn_pin *pin = NULL;
        if (smn_check_signature(&settings, authorities[i], json, envelope, &pin, &error)) {
            MUST(pin == settings.pins && error.code == ERROR_NONE);
            must_be_genuine(json, envelope);
        } else {
            MUST(!pin && !was_held);
            MUST(error.code == ERROR_FORBIDDEN || error.code == ERROR_UNAVAILABLE);
            MUST(!*envelope->signature || is_a_line_each(envelope) ||
                 strstr(error.text, "holds a line break"));
        }
    }
}

/* However the settings stand, a confirmation needs a signature, and a topic must be wanted. */
static void authenticate(const struct json *json, const struct smn_envelope *envelope)
{
    static const char *const topics[] = {"urn:smn:cn-north-4:*:CES_*"};
    for (unsigned i = 0; i < 4; i++) {
        struct smn_settings smn = settings;
        struct error error = {0};
        smn.verify = i & 1 ? SMN_VERIFY_OFF : SMN_VERIFY_PINNED;
        const struct vendor_input input = {
            .now_ms = NOW_MS, .smn = &smn, .topic_urns = topics, .topic_urn_count = i / 2};
        bool is_right = smn_authenticate(&input, json, envelope, &error);
        MUST(is_right == (error.code == ERROR_NONE));
        if (is_right && envelope->type != SMN_USER_CHANGE) {
            MUST(smn.verify == SMN_VERIFY_OFF || envelope->type == SMN_NOTIFICATION);
            MUST(envelope->type != SMN_SUBSCRIPTION_CONFIRMATION);
            MUST(i < 2 || !strncmp(envelope->topic_urn, "urn:smn:cn-north-4:", 19));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena for_ever;
    struct json json;
    struct smn_envelope envelope;
    struct arena arena = {0};
    struct error error = {0};
    const char *host = "";
    if (settings.pin_count == 0) {
        settings.max_age_hours = 24;
        MUST(smn_pins_compiled_in(&settings, &for_ever, &error));
    }
    if (json_parse((const char *)data, size, &json, &error)) {
        if (smn_read(&json, NULL, &envelope, &error)) {
            check(&json, &envelope);
            authenticate(&json, &envelope);
            smn_topic_name(envelope.topic_urn);
            MUST(smn_confirm_url(&settings, &envelope, &arena, &host, &error) ==
                 (error.code == ERROR_NONE));
        } else {
            MUST(error.code == ERROR_INVALID);
        }
    }
    arena_clear(&arena);
    json_clear(&json);
    return 0;
}
