/*
 * The one interface between the gateway and a vendor: bytes in, items or an error out. A vendor
 * is pure: no input or output, no clock (the time is given), no memory but the arena's. It never
 * names Flashduty.
 *
 * A third vendor is a file beside this one, a row in vendor.c, a file in cgi-bin and fixtures.
 */
#ifndef VENDORS_VENDOR_H
#define VENDORS_VENDOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/alert.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"

struct smn_settings;

/* Where certificates come from that are not in the configuration: the vendor's one way to what lies
 * outside. */
struct vendor_authority {
    void *context;
    /* Appends the certificate (PEM) at a url that the vendor has checked. ERROR_UNAVAILABLE: not
     * now. */
    bool (*certificate)(void *context, const char *url, bool private_network, struct text *pem,
                        struct error *error);
    /* Whether a certificate of this file name has verified a message before. */
    bool (*is_held)(void *context, const char *file);
    void (*hold)(void *context, const char *file);
};

/* What a request brings. */
struct vendor_input {
    const char *body;
    size_t length;
    const char *message_type; /* the vendor's type_header, or NULL */
    int64_t now_ms;           /* wall clock */
    const struct smn_settings *smn;
    const struct vendor_authority *authority; /* NULL: there is none */
    const char *const *topic_urns;            /* the topics that the integration takes; none: any */
    size_t topic_urn_count;
};

enum item_kind {
    ITEM_ALERT,
    ITEM_IGNORED, /* acknowledged without an alert: `reason` says why */
    ITEM_CONFIRM, /* a subscription to confirm by a GET of confirm_url */
    ITEM_REFUSED, /* an element of an array that is none: `reason` says why */
};

struct item {
    enum item_kind kind;
    const char *message_id; /* the vendor's own identity of this message, the same when it is sent
                               again; "" if it has none */
    struct alert alert;
    const char *reason;
    bool warn;           /* `reason` is worth a warning in the log */
    const char *note;    /* oddity of the payload, for the log, whatever the kind; NULL: none */
    bool note_is_detail; /* `note` is worth no more than the debug level */
    const char *removed_topic; /* IGNORED: a subscription that is no more; NULL: none */
    const char *confirm_url;
    const char *confirm_topic; /* what the subscription is to */
    const char *confirm_host;  /* HOST or HOST:PORT of confirm_url, checked against the lists */
    bool confirm_private;      /* it may have a private address */
};

/* What a payload holds: one item, or the items of an array. Lives in the arena. */
struct receipt {
    struct item *items;
    size_t count;
    bool is_array;
    const char *message_id; /* the vendor's own id of the message, for the log; "" if none */
};

/* A row of a vendor's severity table: the words that a payload may say, and the row's name. */
struct level {
    const char *word; /* compared without case */
    const char *row;  /* what configuration and labels call it */
    enum severity severity;
};

struct vendor {
    const char *name;           /* "ces": in configuration, commands and logs */
    const char *title;          /* "Huawei Cloud CES" */
    const char *endpoint;       /* "ces.fcgi" */
    const char *sender;         /* who posts: for the person who opens the URL in a browser */
    const struct level *levels; /* ends with a NULL word */
    const char *type_header;    /* CGI name of a header that says what a message is, or NULL */
    bool refuses_text;          /* text/plain and forms are never this vendor's: 415 */
    bool has_topics;            /* topic_urn in its integrations means something */

    /* Whether the tree looks like this vendor's payload. */
    bool (*recognises)(const cJSON *root);

    /* Checks that the request is the vendor's (signature, age, topic): true when the vendor has
     * no such means. `json` is the parsed body. */
    bool (*authenticate)(const struct vendor_input *input, const struct json *json,
                         struct arena *arena, struct error *error);

    /* Maps the payload. Called after authenticate; `map` on the command line calls it alone. */
    bool (*parse)(const struct vendor_input *input, const struct json *json, struct arena *arena,
                  struct receipt *receipt, struct error *error);
};

extern const struct vendor vendor_ces, vendor_guance;

/* All of them, NULL-terminated. */
extern const struct vendor *const vendors[];

const struct vendor *vendor_find(const char *name) __attribute__((nonnull));

/* The vendor whose payload this is, or NULL. */
const struct vendor *vendor_recognise(const cJSON *root);

/* The row of a vendor's table that a word belongs to, without case; NULL if none. */
const struct level *vendor_level(const struct vendor *vendor, const char *word)
    __attribute__((nonnull));

#endif
