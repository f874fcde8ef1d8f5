#include "endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/harden.h"
#include "base/log.h"
#include "config/config.h"
#include "gateway.h"
#include "serve.h"

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
    if (is_cgi && is_valid && vendor->has_topics && config->smn.verify == SMN_VERIFY_OFF)
        log_event(LOG_WARNING, "signatures are not verified: smn.verify = \"off\"", NULL);
    config_report_clear(&report);
    return is_valid ? config : NULL;
}

static int run(struct gateway *gateway, bool is_cgi, const struct config *defaults)
{
    const struct config *config = gateway->config ? gateway->config : defaults;
    struct server server = {
        .handle = gateway_handle,
        .context = gateway,
        .workers = config->workers,
        .max_body_bytes = config->max_body_bytes,
        .patience_ms = config->deadline_ms,
    };
    const char *path = *config->path ? config->path : "none: pass-through";
    if (!is_cgi)
        log_event(LOG_INFO, "started", "vendor", gateway->vendor->name, "version", VERSION,
                  "configuration", gateway->config ? path : "refused: every request gets 503",
                  NULL);
    int status = serve(&server);
    if (!is_cgi)
        log_event(LOG_INFO, "stopped", "vendor", gateway->vendor->name, NULL);
    return status;
}

int endpoint_main(const struct vendor *vendor)
{
    struct config loaded = {0}, defaults = {0};
    struct gateway gateway = {.vendor = vendor};
    struct error error = {0};
    int status = EXIT_FAILURE;
    harden_process();
    bool is_cgi = serve_is_cgi();
    gateway.config = load(&loaded, vendor, is_cgi);
    if (config_defaults(&defaults, &error)) {
        const struct config *config = gateway.config ? gateway.config : &defaults;
        gateway.transport = transport_new(config->ca_file, config->proxy, !is_cgi, &error);
        gateway.certificates = certificates_new(!is_cgi, config->ca_file, &error);
    }
    if (gateway.transport && gateway.certificates)
        status = run(&gateway, is_cgi, &defaults);
    else
        log_event(LOG_ERROR, "cannot start", "reason", error.text, NULL);
    transport_free(gateway.transport);
    certificates_free(gateway.certificates);
    config_free(&defaults);
    config_free(&loaded);
    return status;
}
