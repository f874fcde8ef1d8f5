#include "vendors/smn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define CLOCK_SKEW_S 300
#define CONFIRM_PATH "/smn/subscription/confirm"
#define URL_LENGTH_MAX 2048

static const struct {
    const char *name;
    enum smn_type type;
} types[] = {
    {"Notification", SMN_NOTIFICATION},
    {"SubscriptionConfirmation", SMN_SUBSCRIPTION_CONFIRMATION},
    {"UnsubscribeConfirmation", SMN_UNSUBSCRIBE_CONFIRMATION},
    {"HttpSubscriptionUserConfirm", SMN_USER_CHANGE},
    {"HttpSubscriptionUserUnsubscribe", SMN_USER_CHANGE},
};

bool smn_recognises(const cJSON *root)
{
    static const char *const own[] = {"message_id", "topic_urn", "signature", "signing_cert_url",
                                      "subscribe_url"};
    int found = 0;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        found += json_get(root, own[i]) != NULL;
    /* Anybody's tags may have these names: alone, they make no envelope. */
    if (found > 0)
        found += (json_get(root, "type") != NULL) + (json_get(root, "message") != NULL);
    return found >= 2;
}

static const char *member(const struct json *json, const char *name)
{
    const char *value = json_string(json->root, name);
    return value ? value : "";
}

bool smn_read(const struct json *json, const char *message_type, struct smn_envelope *envelope,
              struct error *error)
{
    if (!cJSON_IsObject(json->root))
        return error_set(error, ERROR_INVALID, "expected the JSON object of an SMN message");
    const char *twice = json_duplicate(json);
    if (twice)
        return error_set(error, ERROR_INVALID,
                         "member \"%.64s\" stands twice in the message: which "
                         "one was signed cannot be told",
                         twice);
    const char *type = member(json, "type");
    if (!*type)
        type = message_type ? message_type : "";
    if (!*type)
        return error_set(error, ERROR_INVALID,
                         "expected the string \"type\" of an SMN message (Notification, "
                         "SubscriptionConfirmation, …)");
    *envelope = (struct smn_envelope){
        .type = SMN_NOTIFICATION,
        .type_name = type,
        .message_id = member(json, "message_id"),
        .topic_urn = member(json, "topic_urn"),
        .subject = member(json, "subject"),
        .timestamp = member(json, "timestamp"),
        .subscribe_url = member(json, "subscribe_url"),
        .signature = member(json, "signature"),
        .signature_version = member(json, "signature_version"),
        .signing_cert_url = member(json, "signing_cert_url"),
        .message = json_get(json->root, "message"),
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!strcmp(types[i].name, type))
            envelope->type = types[i].type;
    }
    bool has_message = cJSON_IsString(envelope->message) || cJSON_IsObject(envelope->message);
    if (envelope->type == SMN_NOTIFICATION && !has_message)
        return error_set(error, ERROR_INVALID, "expected the string \"message\" of an SMN %.64s",
                         type);
    return true;
}

void smn_signed_bytes(const struct json *json, const struct smn_envelope *envelope,
                      struct text *bytes)
{
    static const char *const names[] = {"message",   "message_id", "subject", "subscribe_url",
                                        "timestamp", "topic_urn",  "type"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool is_notification = envelope->type == SMN_NOTIFICATION;
        if (!strcmp(names[i], "subject") && (!is_notification || !*envelope->subject))
            continue;
        if (!strcmp(names[i], "subscribe_url") && is_notification)
            continue;
        text_puts(bytes, names[i]);
        text_putc(bytes, '\n');
        if (!json_exact(json, names[i], bytes) && !strcmp(names[i], "type"))
            text_puts(bytes, envelope->type_name);
        text_putc(bytes, '\n');
    }
}

/* The last part of a URL's path, without its query. */
static const char *file_name(struct arena *arena, const char *url)
{
    size_t length = strcspn(url, "?#");
    const char *start = url;
    for (const char *c = url; c < url + length; c++) {
        if (*c == '/')
            start = c + 1;
    }
    return arena_copy(arena, start, length - (size_t)(start - url));
}

/* A signature on its way to a judgement. */
struct signature {
    const struct smn_settings *settings;
    const struct vendor_authority *authority;
    const struct smn_envelope *envelope;
    struct arena arena;
    struct text bytes;
    const char *file; /* name of the certificate that the message asks for */
};

static bool is_held(const struct signature *signature)
{
    const struct vendor_authority *authority = signature->authority;
    return authority && authority->is_held(authority->context, signature->file);
}

static bool refuse(const struct signature *signature, enum smn_verdict verdict, struct error *error)
{
    const char *version = signature->envelope->signature_version;
    if (verdict == SMN_FAILED)
        return error_out_of_memory(error);
    if (*version && !text_equal_ignoring_case(version, "v1"))
        return error_set(error, ERROR_UNAVAILABLE,
                         "signature_version \"%.16s\" is not known: only v1 can be judged",
                         version);
    if (verdict == SMN_FORGED || is_held(signature))
        return error_set(error, ERROR_FORBIDDEN,
                         "the signature does not fit the message (certificate \"%.128s\")",
                         signature->file);
    return error_set(error, ERROR_UNAVAILABLE,
                     "the certificate \"%.128s\" that signed this message is not held: add its "
                     "PEM file to smn.certificate",
                     signature->file);
}

/* By the certificate at signing_cert_url. */
static bool check_fetched(struct signature *signature, struct error *error)
{
    const struct vendor_authority *authority = signature->authority;
    const char *url = signature->envelope->signing_cert_url;
    const char *region = smn_region(&signature->arena, signature->envelope->topic_urn);
    struct smn_settings fetched = {.verify = SMN_VERIFY_PINNED};
    struct error cause = {0};
    struct text pem = {0};
    bool private_network, is_genuine = false;
    if (!smn_certificate_url(signature->settings, url, region, &private_network, error))
        return false;
    /* A certificate that cannot be read says nothing of the message, which may be genuine. */
    if (!authority->certificate(authority->context, url, private_network, &pem, &cause) ||
        !smn_pin_add(&fetched, &signature->arena, text_string(&pem), signature->file, &cause)) {
        error_set(error, ERROR_UNAVAILABLE,
                  "the certificate \"%.128s\" that signed this message cannot be had now (%.256s): "
                  "try again, or add its PEM file to smn.certificate",
                  signature->file, cause.text);
    } else {
        enum smn_verdict verdict =
            smn_verify(&fetched, text_string(&signature->bytes), signature->bytes.length,
                       signature->envelope->signature, "", NULL);
        is_genuine = verdict == SMN_GENUINE;
        /* Only now: signing_cert_url is not signed, and any name can be put there. */
        if (is_genuine)
            authority->hold(authority->context, signature->file);
        else
            refuse(signature, verdict, error);
    }
    smn_pins_clear(&fetched);
    text_clear(&pem);
    return is_genuine;
}

static bool check_signature(struct signature *signature, const struct smn_pin **pin,
                            struct error *error)
{
    const struct vendor_authority *authority = signature->authority;
    const struct smn_pin *fitting = NULL;
    enum smn_verdict verdict =
        smn_verify(signature->settings, text_string(&signature->bytes), signature->bytes.length,
                   signature->envelope->signature, signature->file, &fitting);
    bool is_genuine = verdict == SMN_GENUINE;
    if (pin)
        *pin = fitting;
    if (verdict == SMN_NOT_HELD && authority && signature->settings->verify == SMN_VERIFY_FETCH)
        is_genuine = check_fetched(signature, error);
    else if (!is_genuine)
        refuse(signature, verdict, error);
    return is_genuine;
}

/* What is signed is a text of lines, in which people write the message and the subject. A line
 * break in a member behind them would let the lines of a message that SMN signed for its sender's
 * own topic stand for another topic. NULL: there is none. */
static const char *broken_member(const struct smn_envelope *envelope)
{
    const char *const members[][2] = {
        {"message_id", envelope->message_id},
        {"timestamp", envelope->timestamp},
        {"topic_urn", envelope->topic_urn},
        {"type", envelope->type_name},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strchr(members[i][1], '\n'))
            return members[i][0];
    }
    return strstr(envelope->subject, "message_id\n") ? "subject" : NULL;
}

bool smn_check_signature(const struct smn_settings *settings,
                         const struct vendor_authority *authority, const struct json *json,
                         const struct smn_envelope *envelope, const struct smn_pin **pin,
                         struct error *error)
{
    if (!*envelope->signature)
        return error_set(error, ERROR_FORBIDDEN,
                         "the message is not signed: expected the string \"signature\"");
    /* An object would be signed as nothing, and so is the empty message of anybody. */
    if (envelope->message && !cJSON_IsString(envelope->message))
        return error_set(error, ERROR_FORBIDDEN,
                         "the signature covers no \"message\" that is no string");
    const char *broken = broken_member(envelope);
    if (broken)
        return error_set(error, ERROR_FORBIDDEN,
                         "\"%s\" holds a line break: what was signed cannot be told", broken);
    struct signature signature = {
        .settings = settings, .authority = authority, .envelope = envelope};
    smn_signed_bytes(json, envelope, &signature.bytes);
    signature.file = file_name(&signature.arena, envelope->signing_cert_url);
    bool is_genuine = signature.bytes.failed || signature.arena.failed
                          ? error_out_of_memory(error)
                          : check_signature(&signature, pin, error);
    arena_clear(&signature.arena);
    text_clear(&signature.bytes);
    return is_genuine;
}

/* A pattern of a topic: * stands for any characters. */
static bool topic_matches(const char *pattern, const char *topic)
{
    const char *star = NULL, *retry = NULL;
    while (*topic) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = topic;
        } else if (*pattern == *topic) {
            pattern++;
            topic++;
        } else if (star) {
            pattern = star;
            topic = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool check_topic(const struct vendor_input *input, const struct smn_envelope *envelope,
                        struct error *error)
{
    for (size_t i = 0; i < input->topic_urn_count; i++) {
        if (topic_matches(input->topic_urns[i], envelope->topic_urn))
            return true;
    }
    if (input->topic_urn_count == 0)
        return true;
    return error_set(error, ERROR_FORBIDDEN,
                     "topic \"%.128s\" is none that this integration takes (topic_urn)",
                     envelope->topic_urn);
}

static bool check_age(const struct vendor_input *input, const struct smn_envelope *envelope,
                      struct error *error)
{
    int64_t signed_s, now_s = input->now_ms / 1000;
    if (input->smn->max_age_hours == 0)
        return true;
    if (!clock_parse_rfc3339(envelope->timestamp, &signed_s))
        return error_set(error, ERROR_UNAVAILABLE,
                         "the timestamp \"%.40s\" cannot be read, so its age cannot be checked "
                         "(smn.max_age_hours)",
                         envelope->timestamp);
    if (signed_s - now_s > CLOCK_SKEW_S)
        return error_set(error, ERROR_UNAVAILABLE,
                         "the message was signed in the future, at %.40s: "
                         "is this host's clock right?",
                         envelope->timestamp);
    if (now_s - signed_s > (int64_t)input->smn->max_age_hours * 3600)
        return error_set(error, ERROR_UNAVAILABLE,
                         "the message was signed at %.40s, more than smn.max_age_hours = %d ago: "
                         "is this host's clock right?",
                         envelope->timestamp, input->smn->max_age_hours);
    return true;
}

/* A confirmation leads to a visit, so nothing but a signature will do, whatever `verify` says. */
static bool check_confirmation(const struct vendor_input *input, const struct json *json,
                               const struct smn_envelope *envelope, struct error *error)
{
    struct error cause = {0};
    if (smn_check_signature(input->smn, input->authority, json, envelope, NULL, &cause))
        return true;
    if (input->smn->verify == SMN_VERIFY_OFF)
        return error_set(error, ERROR_UNAVAILABLE,
                         "a subscription is confirmed only by a valid signature, also with "
                         "smn.verify = \"off\": %.512s",
                         cause.text);
    return error_set(error, cause.code, "%.512s", cause.text);
}

bool smn_authenticate(const struct vendor_input *input, const struct json *json,
                      const struct smn_envelope *envelope, struct error *error)
{
    /* What these two sign is documented nowhere, and nothing is done on their word. */
    if (envelope->type == SMN_USER_CHANGE)
        return true;
    if (!check_topic(input, envelope, error))
        return false;
    if (envelope->type == SMN_SUBSCRIPTION_CONFIRMATION)
        return check_confirmation(input, json, envelope, error);
    if (input->smn->verify == SMN_VERIFY_OFF)
        return true;
    if (!smn_check_signature(input->smn, input->authority, json, envelope, NULL, error))
        return false;
    return envelope->type != SMN_NOTIFICATION || check_age(input, envelope, error);
}

const char *smn_region(struct arena *arena, const char *topic_urn)
{
    static const char prefix[] = "urn:smn:";
    if (strncmp(topic_urn, prefix, strlen(prefix)))
        return "";
    const char *region = topic_urn + strlen(prefix);
    size_t length = strcspn(region, ":");
    return region[length] == ':' ? arena_copy(arena, region, length) : "";
}

const char *smn_topic_name(const char *topic_urn)
{
    int colons = 0;
    for (const char *c = topic_urn; *c; c++) {
        if (*c == ':' && ++colons == 4)
            return c + 1;
    }
    return "";
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of the one parameter name of a query, percent-decoded (once); NULL if there is none,
 * or more than one, or its escapes are no escapes, or a name has any. */
static const char *parameter(struct arena *arena, const char *query, const char *name)
{
    const char *found = NULL;
    size_t found_length = 0, name_length = strlen(name);
    for (const char *c = query; *c; c += *c == '&') {
        size_t length = strcspn(c, "&");
        if (memchr(c, '%', strcspn(c, "=&")))
            return NULL;
        if (length > name_length && !strncmp(c, name, name_length) && c[name_length] == '=') {
            if (found)
                return NULL;
            found = c + name_length + 1;
            found_length = length - name_length - 1;
        }
        c += length;
    }
    char *value = found ? arena_alloc(arena, found_length + 1) : NULL;
    if (!value)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < found_length; i++) {
        int high, low;
        if (found[i] != '%') {
            value[used++] = found[i];
            continue;
        }
        if (i + 2 >= found_length || (high = hex_digit(found[i + 1])) < 0 ||
            (low = hex_digit(found[i + 2])) < 0 || high + low == 0)
            return NULL;
        value[used++] = (char)(high * 16 + low);
        i += 2;
    }
    return value;
}

bool smn_confirm_url(const struct smn_settings *settings, const struct smn_envelope *envelope,
                     struct arena *arena, const char **host, struct error *error)
{
    static const char scheme[] = "https://";
    const char *url = envelope->subscribe_url;
    for (const char *c = url; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '\\' || *c == '#')
            return error_set(error, ERROR_FORBIDDEN,
                             "subscribe_url holds a character that no "
                             "address of SMN has");
    }
    if (strncmp(url, scheme, strlen(scheme)) || strlen(url) > URL_LENGTH_MAX)
        return error_set(error, ERROR_FORBIDDEN, "subscribe_url is no https address of SMN");
    const char *start = url + strlen(scheme);
    const char *path = start + strcspn(start, "/?");
    bool has_path = !strncmp(path, CONFIRM_PATH "?", strlen(CONFIRM_PATH "?"));
    const char *region = smn_region(arena, envelope->topic_urn);
    const char *topic =
        has_path ? parameter(arena, path + strlen(CONFIRM_PATH "?"), "topic_urn") : NULL;
    *host = arena_copy(arena, start, (size_t)(path - start));
    if (arena->failed)
        return error_out_of_memory(error);
    if (!smn_confirm_host(settings, *host, region))
        return error_set(error, ERROR_FORBIDDEN,
                         "subscribe_url leads to \"%.128s\", which is no "
                         "console that is known for this topic (smn.host adds one)",
                         *host);
    if (!has_path)
        return error_set(error, ERROR_FORBIDDEN,
                         "subscribe_url has another path than " CONFIRM_PATH);
    if (!topic || strcmp(topic, envelope->topic_urn) || !*topic)
        return error_set(error, ERROR_FORBIDDEN,
                         "subscribe_url is for another topic than the message");
    return true;
}
