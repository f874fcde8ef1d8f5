#include "service.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/keys.h"
#include "store/place.h"

/* How often it is looked whether a file has changed. */
#define LOOK_MS 1000
#define NOT_NOW "not before the next start"

/* A configuration in force, with what is made for it. */
struct epoch {
    struct config config;
    bool is_valid; /* false: config holds the defaults, and every request is answered 503 */
    struct gateway gateway;
    int users; /* requests under way, under the service's lock */
};

struct service {
    struct service_kind kind;
    bool is_lasting;
    struct store *store; /* one for all epochs */
    struct drainer *drainer;
    int workers;
    struct config_report report; /* of what was read last */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* somebody left an epoch, or the end has begun */
    struct epoch *epoch;
    bool is_ending;

    pthread_t watcher;
    bool has_watcher;
};

/* ---- reading ---- */

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

/* is_valid: the last valid one counts, too. A CGI process starts with every request: there only
 * what must not be forgotten is said. */
static void log_configuration(const struct service *service, const struct config *config,
                              bool is_valid)
{
    bool is_cgi = !service->is_lasting;
    log_report(LOG_ERROR, "configuration refused", &service->report.errors);
    log_report(is_cgi ? LOG_DEBUG : LOG_WARNING, "configuration", &service->report.warnings);
    if (is_valid && config->refusal)
        log_event(LOG_WARNING, "the last valid configuration is in force", "configuration",
                  config->path, NULL);
    const struct vendor *vendor = service->kind.vendor;
    if (is_cgi && is_valid && vendor && vendor->has_topics && config->smn.verify == SMN_VERIFY_OFF)
        log_event(LOG_WARNING, "signatures are not verified: smn.verify = \"off\"", NULL);
}

void service_keep_configuration(struct service *service)
{
    struct error error = {0};
    const struct epoch *epoch = service->epoch;
    if (epoch->is_valid && !config_keep(&epoch->config, &service->report, &error))
        log_event(LOG_WARNING, "the configuration is not kept as the last valid one", "reason",
                  error.text, NULL);
    text_clear(&service->report.files); /* keys stand in the configuration alone */
}

/* ---- epochs ---- */

/* What takes alarms while the store's server is out of reach. */
static void open_spool(struct service *service, struct arena *arena, const char *place)
{
    struct error error = {0};
    const char *path = store_spool_place(arena, place);
    bool has_spool = path && store_add_spool(service->store, path, &error);
    if (!has_spool && service->is_lasting && store_is_server(place))
        log_event(LOG_WARNING, "there is no spool", "reason",
                  path ? error.text
                       : "no folder where this user may write: make /var/lib/flashduty-gateway",
                  "effect", "nothing is kept while the store is out of reach", NULL);
    if (has_spool && service->is_lasting)
        (void)store_spooled(service->store);
}

static void open_store(struct service *service, const struct config *config)
{
    struct arena arena = {0};
    struct error error = {0};
    const char *path = store_place(&arena, config->store);
    if (path)
        service->store = store_new(path, &config->limits, service->is_lasting, &error);
    else if (service->is_lasting && !config->store)
        log_event(LOG_WARNING, "there is no store", "reason",
                  "no folder where this user may write: make /var/lib/flashduty-gateway for it, or "
                  "say store = \"none\"",
                  NULL);
    if (path && service->store)
        open_spool(service, &arena, path);
    /* Made now, so that what is wrong with it is said at the start. */
    if (service->store && service->is_lasting)
        (void)store_is_writable(service->store, &error);
    arena_clear(&arena);
}

static void free_epoch(struct epoch *epoch)
{
    if (!epoch)
        return;
    transport_free(epoch->gateway.transport);
    certificates_free(epoch->gateway.certificates);
    config_free(&epoch->config);
    free(epoch);
}

/* Opens what the configuration asks for. The epoch is freed on failure. */
static struct epoch *equip(struct service *service, struct epoch *epoch, struct error *error)
{
    const struct config *config = &epoch->config;
    struct gateway *gateway = &epoch->gateway;
    gateway->vendor = service->kind.vendor;
    gateway->config = epoch->is_valid ? config : NULL;
    gateway->transport = transport_new(config->ca_file, config->proxy, service->is_lasting, error);
    gateway->certificates = certificates_new(service->is_lasting, config->ca_file, error);
    if (!gateway->transport || !gateway->certificates) {
        free_epoch(epoch);
        return NULL;
    }
    if (epoch->is_valid && !(service->epoch && service->epoch->is_valid))
        open_store(service, config);
    gateway->store = epoch->is_valid ? service->store : NULL;
    gateway->drainer = service->drainer;
    return epoch;
}

/* NULL with an error when memory runs out; a configuration that is refused makes an epoch, too. */
static struct epoch *new_epoch(struct service *service, struct error *error)
{
    struct epoch *epoch = calloc(1, sizeof *epoch);
    if (!epoch) {
        error_out_of_memory(error);
        return NULL;
    }
    epoch->is_valid = config_load_or_last_valid(NULL, &epoch->config, &service->report);
    log_configuration(service, &epoch->config, epoch->is_valid);
    if (!epoch->is_valid && !config_defaults(&epoch->config, error)) {
        free(epoch);
        return NULL;
    }
    return epoch;
}

static struct epoch *enter(struct service *service)
{
    pthread_mutex_lock(&service->lock);
    struct epoch *epoch = service->epoch;
    epoch->users++;
    pthread_mutex_unlock(&service->lock);
    return epoch;
}

static void leave(struct service *service, struct epoch *epoch)
{
    pthread_mutex_lock(&service->lock);
    if (--epoch->users == 0 && epoch != service->epoch)
        pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
}

/* ---- serving ---- */

void service_handle(void *context, struct request *request, struct response *response)
{
    struct service *service = context;
    struct epoch *epoch = enter(service);
    service->kind.handle(&epoch->gateway, request, response);
    leave(service, epoch);
}

struct server_limits service_limits(void *context)
{
    struct service *service = context;
    struct epoch *epoch = enter(service);
    const struct server_limits limits = {epoch->config.max_body_bytes, epoch->config.deadline_ms};
    leave(service, epoch);
    return limits;
}

int service_workers(const struct service *service)
{
    return service->workers;
}

struct store *service_store(const struct service *service)
{
    return service->store;
}

static bool drain_means(const struct service *service, const struct epoch *epoch,
                        struct drain_means *means)
{
    if (!epoch->is_valid || !service->store)
        return false;
    config_update_store(&epoch->config, service->store);
    *means = (struct drain_means){
        {epoch->gateway.transport, service->store, epoch->config.flashduty_url},
        epoch->config.ca_file,
        &epoch->config.watchdog};
    return true;
}

bool service_drain_means(const struct service *service, struct drain_means *means)
{
    return drain_means(service, service->epoch, means);
}

/* Before the epoch serves anybody. */
static void start_draining(struct service *service, struct epoch *epoch)
{
    struct error error = {0};
    struct drain_means means;
    if (!drain_means(service, epoch, &means))
        return;
    struct drainer *drainer = drainer_start(&means, &error);
    if (!drainer)
        log_event(LOG_ERROR, "nothing is drained", "reason", error.text, NULL);
    pthread_mutex_lock(&service->lock);
    service->drainer = drainer;
    pthread_mutex_unlock(&service->lock);
    epoch->gateway.drainer = drainer;
}

/* ---- a changed configuration ---- */

static bool is_same_store(const struct config *old, const struct config *new)
{
    if (!old->store || !new->store)
        return old->store == new->store;
    return !strcmp(old->store, new->store);
}

static void log_change(const struct service *service, const struct epoch *old,
                       const struct epoch *new)
{
    log_event(LOG_INFO, "configuration taken up", "vendor", service->kind.name, "configuration",
              *new->config.path ? new->config.path : "none: pass-through", NULL);
    if (old->is_valid && !is_same_store(&old->config, &new->config))
        log_event(LOG_WARNING, "another store is taken " NOT_NOW, "store",
                  service->store ? store_name(service->store) : "none", NULL);
    if (new->config.workers != service->workers)
        log_event(LOG_WARNING, "another number of workers is taken " NOT_NOW, NULL);
}

/* Puts the epoch in force; returns the one that was. */
static struct epoch *swap(struct service *service, struct epoch *epoch)
{
    pthread_mutex_lock(&service->lock);
    struct epoch *old = service->epoch;
    service->epoch = epoch;
    pthread_mutex_unlock(&service->lock);
    return old;
}

static void retire(struct service *service, struct epoch *epoch)
{
    pthread_mutex_lock(&service->lock);
    while (epoch->users > 0)
        pthread_cond_wait(&service->changed, &service->lock);
    pthread_mutex_unlock(&service->lock);
    free_epoch(epoch);
}

static void take_up(struct service *service, struct epoch *epoch)
{
    struct drain_means means;
    if (service->store)
        store_set_limits(service->store, &epoch->config.limits);
    log_set_level(epoch->config.log_level);
    log_change(service, service->epoch, epoch);
    bool has_drainer = service->drainer;
    if (!has_drainer)
        start_draining(service, epoch);
    struct epoch *old = swap(service, epoch);
    service_keep_configuration(service);
    if (has_drainer && drain_means(service, epoch, &means))
        drainer_change(service->drainer, &means);
    retire(service, old);
}

/* One record, however much is wrong. */
static void log_refusal(const struct service *service, const char *errors)
{
    struct arena arena = {0};
    int64_t count = 0;
    for (const char *line = errors; *line; line++)
        count += *line == '\n';
    log_event(LOG_ERROR, "configuration refused, the one before it stays in force", "vendor",
              service->kind.name, "problem", arena_copy(&arena, errors, strcspn(errors, "\n")),
              "problems", arena_printf(&arena, "%lld", (long long)count), NULL);
    arena_clear(&arena);
}

/* A file that is gone may be on its way back; nobody means pass-through by that. */
static bool is_gone(const struct service *service, const struct config *config)
{
    return *service->epoch->config.path && !*config->path;
}

/* A broken file leaves what is in force as it is. */
static void reload(struct service *service)
{
    struct error error = {0};
    struct epoch *epoch = calloc(1, sizeof *epoch);
    if (!epoch)
        return;
    epoch->is_valid = config_load(NULL, &epoch->config, &service->report);
    bool is_new = epoch->is_valid && !is_gone(service, &epoch->config);
    if (!is_new)
        log_refusal(service,
                    epoch->is_valid ? "the file is gone\n" : text_string(&service->report.errors));
    else
        log_configuration(service, &epoch->config, true);
    if (!is_new) {
        text_clear(&service->report.files);
        free_epoch(epoch);
    } else if ((epoch = equip(service, epoch, &error))) {
        take_up(service, epoch);
    } else {
        log_event(LOG_ERROR, "a changed configuration is not taken up", "reason", error.text, NULL);
    }
}

/* Waits for a moment; false at the end. */
static bool is_to_look(struct service *service)
{
    int64_t until_ms = clock_monotonic_ms() + LOOK_MS;
    bool is_in_time = true;
    pthread_mutex_lock(&service->lock);
    while (!service->is_ending && is_in_time)
        is_in_time = condition_wait(&service->changed, &service->lock, until_ms);
    bool is_ending = service->is_ending;
    pthread_mutex_unlock(&service->lock);
    return !is_ending;
}

/* Says to whoever shares the store that this process is there. */
static void sign(const struct service *service, int64_t start_ms, int64_t *next_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!service->store || now_ms < *next_ms)
        return;
    store_sign(service->store, service->kind.name, now_ms - start_ms);
    *next_ms = now_ms + (int64_t)NODE_SIGN_S * 1000;
}

static void *watch(void *context)
{
    struct service *service = context;
    int64_t start_ms = clock_monotonic_ms(), next_ms = 0;
    while (is_to_look(service)) {
        sign(service, start_ms, &next_ms);
        if (config_sources_have_changed(&service->report.sources))
            reload(service);
    }
    return NULL;
}

/* ---- beginning and end ---- */

static bool init_locks(struct service *service)
{
    return !pthread_mutex_init(&service->lock, NULL) && condition_init(&service->changed);
}

struct service *service_new(const struct service_kind *kind, bool is_lasting)
{
    struct error error = {0};
    struct service *service = calloc(1, sizeof *service);
    struct epoch *epoch = NULL;
    if (!service || !init_locks(service)) {
        free(service);
        error_out_of_memory(&error);
        log_event(LOG_ERROR, "cannot start", "reason", error.text, NULL);
        return NULL;
    }
    service->kind = *kind;
    service->is_lasting = is_lasting;
    epoch = new_epoch(service, &error);
    if (epoch && epoch->is_valid)
        log_set_level(epoch->config.log_level);
    service->epoch = epoch ? equip(service, epoch, &error) : NULL;
    if (service->epoch) {
        service->workers = service->epoch->config.workers;
        return service;
    }
    log_event(LOG_ERROR, "cannot start", "reason", error.text, NULL);
    service_free(service);
    return NULL;
}

void service_start(struct service *service)
{
    sigset_t all, before;
    const struct epoch *epoch = service->epoch;
    const char *path = *epoch->config.path ? epoch->config.path : "none: pass-through";
    log_event(LOG_INFO, "started", "vendor", service->kind.name, "version", VERSION,
              "configuration", epoch->is_valid ? path : "refused: every request gets 503", "store",
              service->store ? store_name(service->store) : "none", NULL);
    service_keep_configuration(service);
    start_draining(service, service->epoch);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    service->has_watcher = !pthread_create(&service->watcher, NULL, watch, service);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!service->has_watcher)
        log_event(LOG_ERROR, "a changed configuration will not be noticed", NULL);
}

void service_end(void *context)
{
    struct service *service = context;
    pthread_mutex_lock(&service->lock);
    service->is_ending = true;
    struct drainer *drainer = service->drainer;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
    if (drainer)
        drainer_end(drainer);
}

void service_free(struct service *service)
{
    if (!service)
        return;
    service_end(service);
    if (service->has_watcher)
        pthread_join(service->watcher, NULL);
    drainer_stop(service->drainer);
    store_free(service->store);
    free_epoch(service->epoch);
    config_report_clear(&service->report);
    pthread_cond_destroy(&service->changed);
    pthread_mutex_destroy(&service->lock);
    free(service);
}
