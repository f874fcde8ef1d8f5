/*
 * The configuration: one file (libconfig) and the environment, read into one struct that never
 * changes afterwards. Every name and rule is in the product's reference, docs/configuration.md.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "alert/alert.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "config/sources.h"
#include "delivery/watchdog.h"
#include "routing/routes.h"
#include "store/store.h"
#include "vendors/smn_trust.h"
#include "vendors/vendor.h"

struct severity_override {
    const char *row; /* of the vendor's table, or a word that no table knows */
    enum severity severity;
};

/* All keys of pass-through together, in logs and counts. */
#define CONFIG_PASS_THROUGH "(pass-through)"

/* What happens to an alert that no route takes. */
enum unmatched { UNMATCHED_DEFAULT, UNMATCHED_DROP };

struct integration {
    const char *name;
    const struct vendor *vendor;
    const char *push_keys[2];
    size_t push_key_count;
    struct routing routing;
    enum unmatched unmatched;
    const struct destination *destinations; /* every one that there is, the default first */
    size_t destination_count;
    const char *const *topic_urns;
    size_t topic_urn_count;
    const struct severity_override *overrides;
    size_t override_count;
    const struct label *labels;
    size_t label_count;
};

struct config {
    const char *path; /* the file read; "" if there is none */
    const char
        *refusal; /* what is wrong with that, while the last valid one is in force; or NULL */
    const char *flashduty_url;
    bool pass_through; /* true too when there is no file */
    const char *ca_file;
    const char *proxy;
    /* The file of the store, or a server's URL, which may hold a password; "" for none; NULL: where
     * the state folder is. */
    const char *store;
    struct store_limits limits;
    const char *status_key; /* opens the status page; "": only the web server's users see it */
    long deadline_ms;
    size_t max_body_bytes;
    int workers;
    enum log_level log_level;
    struct smn_settings smn;
    struct watchdog_settings watchdog;
    const struct integration *integrations;
    size_t integration_count;
    struct arena arena; /* holds all of it */
};

/* What reading a configuration came to. */
struct config_report {
    /* Everything that is wrong, a line each, "FILE:LINE: what is wrong; what would be right". */
    struct text errors;
    struct text warnings;          /* probably not meant, but valid */
    struct config_sources sources; /* every file that was looked at */
    struct text files;             /* their contents, as config/last_valid.h has them */
    const char *path;              /* of the configuration; "" if there is none */
    bool is_distrusted;            /* a file was refused for its owner or its permissions */
};

/* The defaults of every setting, no integration, pass-through. */
bool config_defaults(struct config *config, struct error *error) __attribute__((nonnull));

/* Reads the file at path (NULL: $FLASHDUTY_GATEWAY_CONFIG, else the user's own, else the system's,
 * else none) and the environment. False: report->errors says why, config is empty. */
bool config_load(const char *path, struct config *config, struct config_report *report)
    __attribute__((nonnull(2, 3)));

/* As config_load; but where the file is broken, and was not refused for its permissions, the last
 * valid one is taken if it is kept: then report->errors says what is wrong, and config->refusal
 * is its first line. */
bool config_load_or_last_valid(const char *path, struct config *config,
                               struct config_report *report) __attribute__((nonnull(2, 3)));

/* Keeps a valid configuration as the last valid one. False with an error when that fails. */
bool config_keep(const struct config *config, const struct config_report *report,
                 struct error *error) __attribute__((nonnull));

/* Wipes and frees; config may be empty. */
void config_free(struct config *config) __attribute__((nonnull));

void config_report_clear(struct config_report *report) __attribute__((nonnull));

#endif
