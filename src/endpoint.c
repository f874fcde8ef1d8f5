#include "endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/detach.h"
#include "base/harden.h"
#include "base/log.h"
#include "config/config.h"
#include "config/keys.h"
#include "delivery/drainer.h"
#include "gateway.h"
#include "serve.h"
#include "status/status.h"
#include "store/place.h"

/* A record for each line of a report. */
static void log_report(enum log_level level, const char *message, const struct text *report)
{
    const char *line = text_string(report);
    while (*line) {
        struct arena arena = {0};
        size_t length = strcspn(line, "\n");
        log_event(level, message, "problem", arena_copy(&arena, line, length), NULL);
        arena_clear(&arena);
        line += length + (line[length] == '\n');
    }
}

/* The configuration in force; NULL if it is broken: then requests are answered 503, so that the
 * vendors try again, and the process stays for the web server. */
static const struct config *load(struct config *config, const struct vendor *vendor, bool is_cgi)
{
    struct config_report report = {0};
    bool is_valid = config_load(NULL, config, &report);
    if (is_valid)
        log_set_level(config->log_level);
    log_report(LOG_ERROR, "configuration refused", &report.errors);
    /* A CGI process starts with every request: there only what must not be forgotten is said. */
    log_report(is_cgi ? LOG_DEBUG : LOG_WARNING, "configuration", &report.warnings);
    if (is_cgi && is_valid && vendor && vendor->has_topics && config->smn.verify == SMN_VERIFY_OFF)
        log_event(LOG_WARNING, "signatures are not verified: smn.verify = \"off\"", NULL);
    config_report_clear(&report);
    return is_valid ? config : NULL;
}

/* ---- the store ---- */

static void open_store(struct gateway *gateway, const struct config *config, bool is_cgi)
{
    struct arena arena = {0};
    struct error error = {0};
    const char *path = store_place(&arena, config->store);
    if (path)
        gateway->store = store_new(path, &config->limits, !is_cgi, &error);
    else if (!is_cgi && !config->store)
        log_event(LOG_WARNING, "there is no store", "reason",
                  "no folder where this user may write: make /var/lib/flashduty-gateway for it, or "
                  "say store = \"none\"",
                  NULL);
    /* Made now, so that what is wrong with it is said at the start. */
    if (gateway->store && !is_cgi)
        (void)store_is_writable(gateway->store, &error);
    arena_clear(&arena);
}

static struct drain_means drain_means(const struct gateway *gateway)
{
    const struct config *config = gateway->config;
    return (struct drain_means){{gateway->transport, gateway->store, config->flashduty_url},
                                config->ca_file};
}

static void start_draining(struct gateway *gateway)
{
    struct error error = {0};
    const struct drain_means means = drain_means(gateway);
    config_update_store(gateway->config, gateway->store);
    gateway->drainer = drainer_start(&means, &error);
    if (!gateway->drainer)
        log_event(LOG_ERROR, "nothing is drained", "reason", error.text, NULL);
}

/* ---- draining after an answer of plain CGI ---- */

/* Shared hosts end what runs for half a minute. */
#define DETACHED_MS 20000

static bool never(void *context)
{
    (void)context;
    return false;
}

static void rest(void *context, int64_t ms)
{
    const struct timespec pause = {.tv_sec = (time_t)(ms / 1000),
                                   .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)context;
    (void)nanosleep(&pause, NULL);
}

static int drain_detached(struct gateway *gateway)
{
    struct drain_report report = {0};
    const struct drain_watch watch = {NULL, never, rest, false, clock_monotonic_ms() + DETACHED_MS};
    if (!gateway->config || !gateway->store)
        return EXIT_FAILURE;
    const struct drain_means means = drain_means(gateway);
    config_update_store(gateway->config, gateway->store);
    return drain(&means, &watch, &report) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void drain_after_answer(struct gateway *gateway)
{
    if (!gateway->store || !store_is_due(gateway->store) || !store_lead(gateway->store))
        return;
    store_follow(gateway->store);
    detach_and_start_again();
}

/* ---- running ---- */

static const char *name_of(const struct gateway *gateway)
{
    return gateway->vendor ? gateway->vendor->name : "status";
}

static void end(void *context)
{
    const struct gateway *gateway = context;
    if (gateway->drainer)
        drainer_end(gateway->drainer);
}

static int run(struct gateway *gateway, bool is_cgi, const struct config *defaults)
{
    const struct config *config = gateway->config ? gateway->config : defaults;
    struct server server = {
        .handle = gateway->vendor ? gateway_handle : status_handle,
        .end = end,
        .context = gateway,
        .workers = config->workers,
        .max_body_bytes = config->max_body_bytes,
        .patience_ms = config->deadline_ms,
    };
    const char *path = *config->path ? config->path : "none: pass-through";
    if (!is_cgi)
        log_event(LOG_INFO, "started", "vendor", name_of(gateway), "version", VERSION,
                  "configuration", gateway->config ? path : "refused: every request gets 503",
                  "store", gateway->store ? store_path(gateway->store) : "none", NULL);
    if (!is_cgi && gateway->store && gateway->config)
        start_draining(gateway);
    int status = serve(&server);
    drainer_stop(gateway->drainer);
    if (is_cgi)
        drain_after_answer(gateway);
    else
        log_event(LOG_INFO, "stopped", "vendor", name_of(gateway), NULL);
    return status;
}

static int endpoint(const struct vendor *vendor)
{
    struct config loaded = {0}, defaults = {0};
    struct gateway gateway = {.vendor = vendor};
    struct error error = {0};
    int status = EXIT_FAILURE;
    harden_process();
    bool is_detached = is_started_detached();
    bool is_cgi = is_detached || serve_is_cgi();
    gateway.config = load(&loaded, vendor, is_cgi);
    if (config_defaults(&defaults, &error)) {
        const struct config *config = gateway.config ? gateway.config : &defaults;
        gateway.transport = transport_new(config->ca_file, config->proxy, !is_cgi, &error);
        gateway.certificates = certificates_new(!is_cgi, config->ca_file, &error);
        if (gateway.config)
            open_store(&gateway, config, is_cgi);
    }
    if (!gateway.transport || !gateway.certificates)
        log_event(LOG_ERROR, "cannot start", "reason", error.text, NULL);
    else if (is_detached)
        status = drain_detached(&gateway);
    else
        status = run(&gateway, is_cgi, &defaults);
    store_free(gateway.store);
    transport_free(gateway.transport);
    certificates_free(gateway.certificates);
    config_free(&defaults);
    config_free(&loaded);
    return status;
}

int endpoint_main(const struct vendor *vendor)
{
    return endpoint(vendor);
}

int endpoint_status_main(void)
{
    return endpoint(NULL);
}
