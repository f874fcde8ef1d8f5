#include "delivery/delivery.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/text.h"

/* A try with less time than this would only be cut off. */
#define TRY_MS_MIN 50

static void give_up(struct delivery *delivery, struct arena *arena, const char *why)
{
    delivery->answer = (struct flashduty_answer){VERDICT_RETRY, "", arena_string(arena, why), ""};
    delivery->is_over = true;
}

static void start(struct delivery *delivery, struct transport *transport, const char *base,
                  int64_t deadline_ms, struct arena *arena)
{
    struct text body = {0};
    int64_t left_ms = deadline_ms - clock_monotonic_ms();
    if (left_ms < TRY_MS_MIN) {
        if (delivery->tries == 0)
            give_up(delivery, arena, "no time was left to send it");
        delivery->is_over = true;
        return;
    }
    flashduty_encode(delivery->alert, &body);
    const char *url = flashduty_url(arena, base, delivery->flashduty_key);
    if (!body.failed && !arena->failed)
        delivery->call =
            transport_post(transport, url, NULL, text_string(&body), body.length, left_ms);
    if (!delivery->call)
        give_up(delivery, arena, "out of memory");
    delivery->tries++;
    text_clear(&body);
}

/* The pause before the next try: doubling, and up to a quarter more, so that senders that failed
 * together do not come back together. */
static int64_t pause_ms(int tries)
{
    unsigned char noise = 0;
    int64_t pause = (int64_t)RETRY_FIRST_MS << (tries < 10 ? tries - 1 : 9);
    if (getrandom(&noise, sizeof noise, GRND_NONBLOCK) < 0)
        noise = 0;
    return pause + pause * noise / 1024;
}

/* An answer may name the key it refuses; a log and a vendor need not read it. */
static void mask(struct delivery *delivery, struct arena *arena)
{
    struct flashduty_answer *answer = &delivery->answer;
    answer->code = text_mask(arena, answer->code, delivery->flashduty_key);
    answer->message = text_mask(arena, answer->message, delivery->flashduty_key);
    answer->request_id = text_mask(arena, answer->request_id, delivery->flashduty_key);
}

static void settle(struct delivery *delivery, int64_t deadline_ms, struct arena *arena)
{
    struct transport_answer answer = transport_answer(delivery->call);
    if (!answer.done)
        return;
    delivery->answer =
        answer.status
            ? flashduty_judge(arena, answer.status, answer.body, answer.body_length)
            : (struct flashduty_answer){VERDICT_RETRY, "", arena_string(arena, answer.failure), ""};
    mask(delivery, arena);
    delivery->retry_after_s =
        answer.retry_after_s < RETRY_AFTER_S_MAX ? answer.retry_after_s : RETRY_AFTER_S_MAX;
    transport_call_free(delivery->call);
    delivery->call = NULL;
    delivery->is_over = delivery->answer.verdict != VERDICT_RETRY;
    int64_t asked_ms = (int64_t)delivery->retry_after_s * 1000;
    int64_t wait_ms = pause_ms(delivery->tries);
    delivery->next_try_ms = clock_monotonic_ms() + (asked_ms > wait_ms ? asked_ms : wait_ms);
    if (delivery->next_try_ms + TRY_MS_MIN > deadline_ms)
        delivery->is_over = true;
}

/* Starts what is due. Returns the time at which there is something to do again. */
static int64_t advance(struct delivery *deliveries, size_t count, struct transport *transport,
                       const char *url, int64_t deadline_ms, struct arena *arena)
{
    int64_t next_ms = deadline_ms;
    for (size_t i = 0; i < count; i++) {
        struct delivery *delivery = &deliveries[i];
        if (delivery->call)
            settle(delivery, deadline_ms, arena);
        if (delivery->is_over || delivery->call)
            continue;
        if (delivery->next_try_ms <= clock_monotonic_ms())
            start(delivery, transport, url, deadline_ms, arena);
        else if (delivery->next_try_ms < next_ms)
            next_ms = delivery->next_try_ms;
    }
    return next_ms;
}

static bool all_over(const struct delivery *deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!deliveries[i].is_over)
            return false;
    }
    return true;
}

void delivery_send(struct transport *transport, const char *url, struct delivery *deliveries,
                   size_t count, int64_t deadline_ms, struct arena *arena)
{
    struct transport_call **calls = arena_alloc(arena, count * sizeof(struct transport_call *));
    for (size_t i = 0; i < count; i++) {
        if (!calls)
            give_up(&deliveries[i], arena, "out of memory");
    }
    while (!all_over(deliveries, count) && clock_monotonic_ms() < deadline_ms) {
        int64_t next_ms = advance(deliveries, count, transport, url, deadline_ms, arena);
        for (size_t i = 0; i < count; i++)
            calls[i] = deliveries[i].call;
        if (!all_over(deliveries, count))
            transport_wait(transport, calls, count, next_ms);
    }
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i].call)
            settle(&deliveries[i], deadline_ms, arena);
        if (!deliveries[i].is_over && deliveries[i].call)
            give_up(&deliveries[i], arena, "no answer in time");
        if (!deliveries[i].is_over && deliveries[i].tries == 0)
            give_up(&deliveries[i], arena, "no time was left to send it");
        transport_call_free(deliveries[i].call);
        deliveries[i].call = NULL;
    }
}
