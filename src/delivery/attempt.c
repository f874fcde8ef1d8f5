#include "delivery/attempt.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

bool attempt_start(struct attempt *attempt, struct transport *transport, const char *url,
                   const char *key, const char *json, int64_t timeout_ms)
{
    struct arena arena = {0};
    const char *address = flashduty_url(&arena, url, key);
    attempt->started_ms = clock_wall_ms();
    attempt->start_us = clock_monotonic_us();
    if (!arena.failed)
        attempt->call = transport_post(transport, address, NULL, json, strlen(json), timeout_ms);
    arena_clear(&arena);
    return attempt->call != NULL;
}

/* An answer may name the key it refuses; a log and a vendor need not read it. */
static void mask(struct flashduty_answer *answer, const char *key, struct arena *arena)
{
    answer->code = text_mask(arena, answer->code, key);
    answer->message = text_mask(arena, answer->message, key);
    answer->request_id = text_mask(arena, answer->request_id, key);
}

bool attempt_settle(struct attempt *attempt, const char *key, struct arena *arena,
                    struct flashduty_answer *answer, struct store_try *one)
{
    static const enum try_verdict verdicts[] = {
        [VERDICT_ACCEPTED] = TRY_ACCEPTED,
        [VERDICT_REJECTED] = TRY_REJECTED,
        [VERDICT_RETRY] = TRY_FAILED,
    };
    struct transport_answer got = transport_answer(attempt->call);
    if (!got.done)
        return false;
    *answer = got.status ? flashduty_judge(arena, got.status, got.body, got.body_length)
                         : (struct flashduty_answer){VERDICT_RETRY, "",
                                                     arena_string(arena, got.failure), "", ""};
    mask(answer, key, arena);
    *one = (struct store_try){
        .verdict = verdicts[answer->verdict],
        .started_ms = attempt->started_ms,
        .took_ms = (clock_monotonic_us() - attempt->start_us) / 1000,
        .status = got.status,
        .code = utf8_cut(arena, answer->code, 64),
        .kind = answer->kind,
        .message = utf8_cut(arena, answer->message, 512),
        .request_id = utf8_cut(arena, answer->request_id, 128),
        .retry_after_s =
            got.retry_after_s < RETRY_AFTER_S_MAX ? got.retry_after_s : RETRY_AFTER_S_MAX,
    };
    attempt_abandon(attempt);
    return true;
}

void attempt_abandon(struct attempt *attempt)
{
    transport_call_free(attempt->call);
    attempt->call = NULL;
}
