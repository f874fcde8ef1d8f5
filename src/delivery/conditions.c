#include "delivery/conditions.h"

#include "base/clock.h"

#define HOUR_MS ((int64_t)3600 * 1000)
/* A pinned certificate is told of so long before its end. */
#define CERTIFICATE_MS ((int64_t)30 * 24 * HOUR_MS)

static void put_moment(struct text *out, int64_t ms)
{
    char time[32];
    clock_rfc3339(ms / 1000, time);
    text_puts(out, time);
}

static bool is_waiting(const struct circumstances *now, struct text *text)
{
    const struct watch_figures *figures = now->figures;
    if (figures->waiting == 0)
        return false;
    text_printf(text, "%lld of its deliveries wait for longer than %ld s, the oldest since ",
                (long long)figures->waiting, now->settings->wait_s);
    put_moment(text, figures->waiting_since_ms);
    text_puts(text, ". Flashduty does not accept them now; they are safe in the outbox and tried "
                    "again for 72 hours. flashduty-gateway outbox list says why.");
    return true;
}

static bool is_unaccepted(const struct circumstances *now, struct text *text)
{
    const struct watch_figures *figures = now->figures;
    if (figures->unaccepted == 0)
        return false;
    text_printf(text,
                "%lld of its deliveries were rejected by Flashduty, or not accepted for 72 hours "
                "(%.200s). Nobody was paged by them. They are kept: mend what is wrong, then "
                "flashduty-gateway outbox retry, or outbox drop.",
                (long long)figures->unaccepted, figures->reason);
    return true;
}

static bool is_unsubscribed(const struct circumstances *now, struct text *text)
{
    const struct watch_figures *figures = now->figures;
    if (figures->removed == 0)
        return false;
    text_printf(text,
                "The subscription of %lld topic%s was removed (%.200s): no alarm of it will come "
                "any more. Subscribe it again if that was not meant.",
                (long long)figures->removed, figures->removed == 1 ? "" : "s", figures->topic);
    return true;
}

static bool is_unconfirmed(const struct circumstances *now, struct text *text)
{
    const struct watch_figures *figures = now->figures;
    /* In pass-through anybody may ask for a subscription. */
    if (figures->unconfirmed == 0 || now->settings->is_pass_through)
        return false;
    text_printf(text,
                "The subscription of %lld topic%s could not be confirmed (%.200s): its alarms do "
                "not come. flashduty-gateway confirm shows the link to open by hand.",
                (long long)figures->unconfirmed, figures->unconfirmed == 1 ? "" : "s",
                figures->topic);
    return true;
}

/* Once told it goes on until a whole window has passed without a burst. In pass-through every key
 * is one, and a stranger could page. */
static bool is_forged(const struct circumstances *now, struct text *text)
{
    const struct watch_figures *figures = now->figures;
    int64_t window_ms = now->now_ms - figures->forged_mark_ms;
    int64_t count = figures->forged - figures->forged_mark;
    bool is_marked =
        !now->settings->is_pass_through && figures->forged_mark_ms > 0 && window_ms >= 0;
    bool is_burst = is_marked && count >= FORGED_BURST && window_ms < 2 * FORGED_WINDOW_MS;
    bool goes_on = is_marked && now->is_told && window_ms < FORGED_WINDOW_MS;
    if (is_burst)
        text_printf(text,
                    "%lld messages with its push key and a wrong signature, certificate or topic "
                    "were refused in %lld s. If they are not yours, somebody knows the push URL: "
                    "change push_key.",
                    (long long)count, (long long)(window_ms / 1000));
    return is_burst || goes_on;
}

static bool is_certificate_ending(const struct circumstances *now, struct text *text)
{
    const struct watchdog_settings *settings = now->settings;
    int64_t ends_ms = settings->certificate_ends_s * 1000;
    if (!now->watched->needs_certificate || ends_ms == 0 || ends_ms - now->now_ms > CERTIFICATE_MS)
        return false;
    text_printf(text, "The last pinned certificate, %.128s, ends ", settings->certificate);
    put_moment(text, ends_ms);
    text_puts(text, ". Messages signed with the next one are refused unless that is pinned too "
                    "(setting `certificate`), or fetched (verify = \"fetch\").");
    return true;
}

static bool is_silent(const struct circumstances *now, struct text *text)
{
    const struct watch_figures *figures = now->figures;
    int64_t last_ms =
        figures->alert_ms > figures->watched_ms ? figures->alert_ms : figures->watched_ms;
    int64_t silence_ms = now->settings->silence_h * HOUR_MS;
    if (silence_ms == 0 || last_ms == 0 || now->now_ms - last_ms <= silence_ms)
        return false;
    text_puts(text, figures->alert_ms ? "No alarm came since " : "No alarm ever came, since ");
    put_moment(text, last_ms);
    text_printf(text,
                ", for longer than %ld h. Is the alarm rule's notification switched on, and the "
                "push URL the right one?",
                now->settings->silence_h);
    return true;
}

static bool is_refused(const struct circumstances *now, struct text *text)
{
    const char *refusal = now->settings->refusal;
    if (!refusal || !now->watched->is_first)
        return false;
    text_printf(text,
                "The gateway was started with a configuration that it refuses (%.300s), and goes "
                "on with the last valid one. flashduty-gateway check says all that is wrong.",
                refusal);
    return true;
}

const struct condition_row conditions[] = {
    {"waiting", SEVERITY_CRITICAL, "alerts of ", " wait", is_waiting},
    {"rejected", SEVERITY_CRITICAL, "alerts of ", " were not accepted", is_unaccepted},
    {"unsubscribed", SEVERITY_WARNING, "a subscription of ", " was removed", is_unsubscribed},
    {"unconfirmed", SEVERITY_WARNING, "a subscription of ", " is not confirmed", is_unconfirmed},
    {"signatures", SEVERITY_WARNING, "signatures for ", " are refused in a burst", is_forged},
    {"certificate", SEVERITY_WARNING, "the certificate that ", " needs is about to end",
     is_certificate_ending},
    {"configuration", SEVERITY_WARNING, "the configuration of ", " and all others is refused",
     is_refused},
    {"silent", SEVERITY_WARNING, "no alarm of ", " comes", is_silent},
    {0},
};
