/*
 * The envelope of Huawei's Simple Message Notification, which carries CES alarms and whatever else
 * is published to a topic: its members, and whether it is genuine, recent and of a wanted topic.
 */
#ifndef VENDORS_SMN_H
#define VENDORS_SMN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "vendors/smn_trust.h"
#include "vendors/vendor.h"

enum smn_type {
    SMN_NOTIFICATION, /* and any type that nobody has documented: it must not be lost */
    SMN_SUBSCRIPTION_CONFIRMATION,
    SMN_UNSUBSCRIBE_CONFIRMATION,
    SMN_USER_CHANGE, /* HttpSubscriptionUserConfirm, HttpSubscriptionUserUnsubscribe */
};

struct smn_envelope {
    enum smn_type type;
    const char *type_name;
    const char *message_id, *topic_urn, *subject, *timestamp; /* "" if missing */
    const char *subscribe_url, *signature, *signature_version, *signing_cert_url;
    const cJSON *message; /* NULL if missing; a string, but an object is known too */
};

/* Whether the tree has enough of an envelope's members to be one. */
bool smn_recognises(const cJSON *root);

/* Reads the members; borrowed from json. message_type is the header's, for an envelope without
 * `type`. ERROR_INVALID names the member that is missing or stands there twice. */
bool smn_read(const struct json *json, const char *message_type, struct smn_envelope *envelope,
              struct error *error) __attribute__((nonnull(1, 3, 4)));

/* Appends the bytes that SMN signs. */
void smn_signed_bytes(const struct json *json, const struct smn_envelope *envelope,
                      struct text *bytes) __attribute__((nonnull));

/* The signature alone: by the pins, then, with verify = "fetch", by the certificate that the
 * message names. ERROR_FORBIDDEN: it can never be right. ERROR_UNAVAILABLE: not to be judged by
 * what can be had now; the text names the setting. authority may be NULL. pin: the pin that fits,
 * if one does. */
bool smn_check_signature(const struct smn_settings *settings,
                         const struct vendor_authority *authority, const struct json *json,
                         const struct smn_envelope *envelope, const struct smn_pin **pin,
                         struct error *error) __attribute__((nonnull(1, 3, 4, 6)));

/* Topic, signature and age, as the settings ask for them. */
bool smn_authenticate(const struct vendor_input *input, const struct json *json,
                      const struct smn_envelope *envelope, struct error *error)
    __attribute__((nonnull));

/* The subscription's link, if it may be visited: exact host, exact path, the signed topic. On
 * false ERROR_FORBIDDEN says what is wrong with it. host lives in the arena. */
bool smn_confirm_url(const struct smn_settings *settings, const struct smn_envelope *envelope,
                     struct arena *arena, const char **host, struct error *error)
    __attribute__((nonnull));

/* The region of a topic ("urn:smn:REGION:PROJECT:NAME"), "" if it has no such form. */
const char *smn_region(struct arena *arena, const char *topic_urn) __attribute__((nonnull));

/* The name of a topic, "" if the URN has no such form. */
const char *smn_topic_name(const char *topic_urn) __attribute__((nonnull));

#endif
