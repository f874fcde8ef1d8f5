#include "delivery/watchdog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "delivery/conditions.h"
#include "delivery/flashduty.h"
#include "net/transport.h"
#include "store/watch.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define DAY_MS ((int64_t)24 * 60 * MINUTE_MS)
/* What happened is told after this: all of it at once, and not what mends itself. */
#define SETTLED_MS MINUTE_MS
/* A removed subscription is told for so long: it may have been meant. */
#define REMOVED_MS ((int64_t)3 * DAY_MS)
/* Flashduty has so long before the second way is taken. */
#define ACCEPTANCE_MS MINUTE_MS
/* What is over is told for so long, if it could not be told at once. */
#define GIVE_UP_MS DAY_MS
/* The second way is tried so often. */
#define POST_PAUSE_MS MINUTE_MS
#define POST_TIMEOUT_MS 5000
#define ID_LENGTH 8

struct watchdog {
    const struct watchdog_settings *settings;
    struct store *store;
    const char *ca_file;
    char id[ID_LENGTH + 1];      /* the store's: two gateways' alarms are two */
    struct transport *transport; /* of the second way; NULL: not used yet */
    struct transport_call *call; /* NULL: none is under way */
    struct arena posting_arena;
    struct alarm_record posting; /* what it is about */
    int64_t next_post_ms;        /* monotonic */
};

/* One look. */
struct look {
    struct watchdog *watchdog;
    struct arena arena;
    struct watch_figures *figures; /* one for each that is watched */
    struct alarm_record *alarms;   /* what was told before */
    bool *still;                   /* of each alarm: its condition holds */
    size_t alarm_count;
    int64_t now_ms;
    bool has_news, is_store_bad;
};

struct watchdog *watchdog_new(const struct watchdog_settings *settings, struct store *store,
                              const char *ca_file)
{
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    if (!watchdog)
        return NULL;
    watchdog->settings = settings;
    watchdog->store = store;
    watchdog->ca_file = ca_file;
    return watchdog;
}

void watchdog_free(struct watchdog *watchdog)
{
    if (!watchdog)
        return;
    transport_call_free(watchdog->call);
    transport_free(watchdog->transport);
    arena_clear(&watchdog->posting_arena);
    free(watchdog);
}

/* ---- what was told before ---- */

static bool take_alarm(void *context, const struct alarm_record *record)
{
    struct look *look = context;
    bool is_full = (look->alarm_count & (look->alarm_count - 1)) == 0;
    struct alarm_record *longer =
        is_full ? arena_alloc(&look->arena, (2 * look->alarm_count + 1) * sizeof *longer)
                : look->alarms;
    if (!longer)
        return false;
    if (is_full && look->alarm_count > 0)
        memcpy(longer, look->alarms, look->alarm_count * sizeof *longer);
    look->alarms = longer;
    struct alarm_record *copy = &longer[look->alarm_count++];
    *copy = *record;
    copy->condition = arena_string(&look->arena, record->condition);
    copy->integration = arena_string(&look->arena, record->integration);
    copy->title = arena_string(&look->arena, record->title);
    copy->text = arena_string(&look->arena, record->text);
    return true;
}

/* Its place among the alarms; their count if there is none. */
static size_t find_alarm(const struct look *look, const char *condition, const char *integration)
{
    size_t i = 0;
    while (i < look->alarm_count && (strcmp(look->alarms[i].condition, condition) != 0 ||
                                     strcmp(look->alarms[i].integration, integration) != 0))
        i++;
    return i;
}

/* ---- telling ---- */

static bool know_id(struct watchdog *watchdog)
{
    unsigned char secret[STORE_SECRET_BYTES];
    char hex[SHA256_HEX_SIZE];
    if (*watchdog->id)
        return true;
    if (!store_secret(watchdog->store, secret) || !sha256_hex(secret, sizeof secret, hex))
        return false;
    memcpy(watchdog->id, hex, ID_LENGTH);
    explicit_bzero(secret, sizeof secret);
    return true;
}

static const struct watched *watched_of(const struct watchdog *watchdog, const char *integration)
{
    const struct watchdog_settings *settings = watchdog->settings;
    for (size_t i = 0; i < settings->count; i++) {
        if (!strcmp(settings->watched[i].name, integration))
            return &settings->watched[i];
    }
    return NULL;
}

static struct destination destination_of(const struct watchdog *watchdog, const char *integration)
{
    const struct watched *watched = watched_of(watchdog, integration);
    if (watchdog->settings->flashduty_key)
        return (struct destination){"", watchdog->settings->flashduty_key};
    return watched ? (struct destination){watched->name, watched->destination.flashduty_key}
                   : (struct destination){integration, NULL};
}

static const char *event_of(struct look *look, const struct alarm_record *alarm,
                            enum severity severity, const char *key)
{
    char host[256] = "";
    struct text json = {0};
    struct alert alert = {.severity = severity, .key = key};
    if (gethostname(host, sizeof host - 1))
        *host = '\0';
    alert_set_title(&alert, &look->arena, alarm->title);
    alert_set_description(&alert, &look->arena, alarm->text, "");
    alert_add_label(&alert, &look->arena, "source", "flashduty-gateway");
    alert_add_label(&alert, &look->arena, "host", host);
    alert_add_label(&alert, &look->arena, "integration", alarm->integration);
    alert_add_label(&alert, &look->arena, "condition", alarm->condition);
    flashduty_encode(&alert, &json);
    return text_into(&json, &look->arena);
}

static void note(const struct alarm_record *alarm, const char *request_id, const char *key)
{
    log_event(alarm->is_over ? LOG_INFO : LOG_WARNING, "watchdog", "request_id", request_id,
              "condition", alarm->condition, "integration", alarm->integration, "alert_key", key,
              "reason", alarm->text, NULL);
}

/* is_known: it was told before, and only its event could not be taken in. */
static void tell(struct look *look, const struct alarm_record *alarm, enum severity severity,
                 bool is_known)
{
    struct watchdog *watchdog = look->watchdog;
    const struct destination destination = destination_of(watchdog, alarm->integration);
    const char *key = arena_printf(&look->arena, "watchdog:%s:%s:%s", watchdog->id,
                                   alarm->condition, alarm->integration);
    char request_id[REQUEST_ID_SIZE];
    if (is_known && !destination.flashduty_key)
        return;
    const struct store_event event = {
        .scope = WATCHDOG_SCOPE,
        .integration = WATCHDOG_SCOPE,
        .request_id = request_id,
        .message_id = "",
        .alert_key = key,
        .title = alarm->title,
        .json = event_of(look, alarm, severity, key),
        .severity = severity,
        .destinations = &destination,
        .destination_count = 1,
        .routes = &destination,
        .route_count = 1,
        .reason = "",
    };
    if (!request_id_make(request_id) || look->arena.failed ||
        !store_alarm(watchdog->store, alarm, destination.flashduty_key ? &event : NULL))
        return;
    look->has_news |= destination.flashduty_key != NULL;
    if (!is_known)
        note(alarm, request_id, key);
}

/* Begins, if it has not been told; or tells again what could not be taken in. */
static void begin(struct look *look, const struct condition_row *row, const char *integration,
                  const char *text)
{
    size_t place = find_alarm(look, row->name, integration);
    bool is_known = place < look->alarm_count && !look->alarms[place].is_over;
    if (place < look->alarm_count)
        look->still[place] = true;
    if (is_known && look->alarms[place].has_event)
        return;
    const struct alarm_record alarm = {
        .condition = row->name,
        .integration = integration,
        .title = arena_printf(&look->arena, "flashduty-gateway: %s%s%s", row->before, integration,
                              row->after),
        .text = is_known ? look->alarms[place].text : text,
    };
    tell(look, &alarm, row->severity, is_known);
}

static void judge(struct look *look, const struct condition_row *row, size_t place)
{
    struct text text = {0};
    const struct watchdog_settings *settings = look->watchdog->settings;
    const struct watched *watched = &settings->watched[place];
    size_t alarm = find_alarm(look, row->name, watched->name);
    const struct circumstances now = {
        .settings = settings,
        .watched = watched,
        .figures = &look->figures[place],
        .is_told = alarm < look->alarm_count && !look->alarms[alarm].is_over,
        .now_ms = look->now_ms,
    };
    if (row->holds(&now, &text))
        begin(look, row, watched->name, text_into(&text, &look->arena));
    text_clear(&text);
}

static void end(struct look *look, const struct alarm_record *before)
{
    struct alarm_record alarm = *before;
    alarm.is_over = true;
    if (!before->is_over)
        alarm.text = arena_printf(&look->arena, "It is over. It was: %s", before->text);
    tell(look, &alarm, SEVERITY_OK, before->is_over);
}

/* Whether nothing more is to be said of what is over. */
static bool is_done(const struct look *look, const struct alarm_record *alarm)
{
    const struct watchdog *watchdog = look->watchdog;
    bool is_old = look->now_ms - alarm->changed_ms >= GIVE_UP_MS;
    bool is_to_be_told =
        !alarm->has_event && destination_of(watchdog, alarm->integration).flashduty_key && !is_old;
    bool is_to_be_posted =
        alarm->was_posted && !alarm->posted_ms && *watchdog->settings->url && !is_old;
    return !alarm->is_waiting && !is_to_be_told && !is_to_be_posted;
}

static void end_others(struct look *look)
{
    for (size_t i = 0; i < look->alarm_count; i++) {
        const struct alarm_record *alarm = &look->alarms[i];
        if (look->still[i])
            continue;
        if (alarm->is_over && is_done(look, alarm))
            look->is_store_bad |= !store_alarm_forget(look->watchdog->store, alarm);
        else if (!alarm->is_over || !alarm->has_event)
            end(look, alarm);
    }
}

/* ---- the second way ---- */

/* What Flashduty has not accepted within a minute; and the end of what went this way. */
static bool is_to_be_posted(const struct look *look, const struct alarm_record *alarm)
{
    if (alarm->posted_ms)
        return false;
    if (alarm->is_over)
        return alarm->was_posted;
    return !alarm->is_delivered && look->now_ms - alarm->changed_ms >= ACCEPTANCE_MS;
}

static bool start_post(struct watchdog *watchdog, const struct alarm_record *alarm)
{
    static const char *const headers[] = {"Content-Type: text/plain; charset=utf-8", NULL};
    struct error error = {0};
    struct arena *arena = &watchdog->posting_arena;
    arena_clear(arena);
    const char *text =
        arena_printf(arena, "%s%s\n%s\n", alarm->is_over ? "OK: " : "", alarm->title, alarm->text);
    watchdog->posting =
        (struct alarm_record){.condition = arena_string(arena, alarm->condition),
                              .integration = arena_string(arena, alarm->integration),
                              .title = "",
                              .text = "",
                              .is_over = alarm->is_over};
    if (!watchdog->transport)
        watchdog->transport = transport_new(watchdog->ca_file, "", true, &error);
    if (watchdog->transport && !arena->failed)
        watchdog->call = transport_post(watchdog->transport, watchdog->settings->url, headers, text,
                                        strlen(text), POST_TIMEOUT_MS);
    return watchdog->call != NULL;
}

static void post(struct look *look)
{
    struct watchdog *watchdog = look->watchdog;
    bool may_post = *watchdog->settings->url && !watchdog->call &&
                    clock_monotonic_ms() >= watchdog->next_post_ms;
    for (size_t i = 0; i < look->alarm_count && may_post; i++) {
        if (is_to_be_posted(look, &look->alarms[i]))
            may_post = !start_post(watchdog, &look->alarms[i]);
    }
}

bool watchdog_is_busy(struct watchdog *watchdog)
{
    if (!watchdog->call)
        return false;
    struct transport_answer answer = transport_answer(watchdog->call);
    if (!answer.done)
        return true;
    bool is_taken = answer.status >= 200 && answer.status < 300;
    char status[24];
    (void)snprintf(status, sizeof status, "%ld", answer.status);
    log_event(is_taken ? LOG_INFO : LOG_WARNING,
              is_taken ? "watchdog posted" : "watchdog not posted", "condition",
              watchdog->posting.condition, "integration", watchdog->posting.integration,
              "http_status", answer.status ? status : NULL, "reason", answer.failure, NULL);
    watchdog->next_post_ms =
        clock_monotonic_ms() +
        (is_taken && store_alarm_posted(watchdog->store, &watchdog->posting) ? 0 : POST_PAUSE_MS);
    transport_call_free(watchdog->call);
    watchdog->call = NULL;
    return false;
}

/* ---- looking ---- */

static bool read_all(struct look *look)
{
    const struct watchdog_settings *settings = look->watchdog->settings;
    struct error error = {0};
    struct history *history = history_open(store_path(look->watchdog->store), &error);
    if (history)
        look->now_ms = history_now_ms(history);
    const struct watch_limits limits = {
        .now_ms = look->now_ms,
        .waited_ms = (int64_t)settings->wait_s * 1000,
        .settled_ms = SETTLED_MS,
        .removed_ms = REMOVED_MS,
        .only_failing = settings->is_pass_through,
    };
    look->figures = arena_alloc(&look->arena, (settings->count + 1) * sizeof *look->figures);
    for (size_t i = 0; i < settings->count && look->figures; i++)
        look->figures[i].integration = settings->watched[i].name;
    bool is_read =
        history && look->figures &&
        history_watch(history, &limits, look->figures, settings->count, &look->arena, &error) &&
        history_alarms(history, take_alarm, look, &error);
    history_close(history);
    look->still = arena_alloc(&look->arena, look->alarm_count + 1);
    return is_read && look->still && !look->arena.failed;
}

/* A window is over, or the clock was set back. */
static bool needs_mark(const struct look *look)
{
    for (size_t i = 0; i < look->watchdog->settings->count; i++) {
        int64_t window_ms = look->now_ms - look->figures[i].forged_mark_ms;
        if (window_ms >= FORGED_WINDOW_MS || window_ms < 0)
            return true;
    }
    return false;
}

bool watchdog_look(struct watchdog *watchdog)
{
    struct look look = {.watchdog = watchdog, .now_ms = clock_wall_ms()};
    if (know_id(watchdog) && read_all(&look)) {
        size_t count = watchdog->settings->count;
        for (const struct condition_row *row = conditions; row->name; row++) {
            for (size_t i = 0; i < count; i++)
                judge(&look, row, i);
        }
        end_others(&look);
        post(&look);
        if (needs_mark(&look))
            look.is_store_bad |= !store_watch_mark(watchdog->store, look.figures, count);
    }
    if (look.is_store_bad)
        log_event(LOG_WARNING, "the watchdog could not note what it did", NULL);
    arena_clear(&look.arena);
    return look.has_news;
}
