#include "endpoint.h"

#include <stdlib.h>

#include "acceptor.h"
#include "base/clock.h"
#include "base/detach.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/openssl_start.h"
#include "cgi.h"
#include "service.h"
#include "status/status.h"

/* Shared hosts end what runs for half a minute. */
#define DETACHED_MS 20000

/* ---- draining after an answer of plain CGI ---- */

static bool never(void *context)
{
    (void)context;
    return false;
}

static void rest(void *context, int64_t ms)
{
    (void)context;
    clock_pause(ms);
}

static int drain_detached(const struct service *service)
{
    struct drain_report report = {0};
    struct drain_means means;
    const struct drain_watch watch = {NULL, never, rest, false, clock_monotonic_ms() + DETACHED_MS};
    bool has_drained = service_drain_means(service, &means) && drain(&means, &watch, &report);
    return has_drained ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void drain_after_answer(struct store *store)
{
    if (!store || !store_is_due(store) || !store_lead(store))
        return;
    store_follow(store);
    detach_and_start_again();
}

/* ---- running ---- */

static int run(struct service *service, const struct service_kind *kind, bool is_cgi)
{
    const struct server server = {
        .handle = service_handle,
        .end = service_end,
        .limits = service_limits,
        .context = service,
        .workers = service_workers(service),
    };
    if (!is_cgi)
        service_start(service);
    int status = is_cgi ? cgi_serve(&server) : acceptor_run(&server);
    if (is_cgi) {
        service_keep_configuration(service);
        drain_after_answer(service_store(service));
    } else {
        log_event(LOG_INFO, "stopped", "vendor", kind->name, NULL);
    }
    return status;
}

static int endpoint(const struct service_kind *kind)
{
    harden_process();
    openssl_start();
    bool is_detached = is_started_detached();
    bool is_cgi = is_detached || acceptor_prepare();
    struct service *service = service_new(kind, !is_cgi);
    int status = EXIT_FAILURE;
    if (service && is_detached)
        status = drain_detached(service);
    else if (service)
        status = run(service, kind, is_cgi);
    service_free(service);
    return status;
}

int endpoint_main(const struct vendor *vendor)
{
    const struct service_kind kind = {vendor->name, vendor, gateway_handle};
    return endpoint(&kind);
}

int endpoint_status_main(void)
{
    static const struct service_kind kind = {"status", NULL, status_handle};
    return endpoint(&kind);
}
