/*
 * CES's sentences: subjects, short messages and plain-text notifications, in English and Chinese:
 *   [Critical Alarm]From Cloud Eye: The M of N-D "R" has triggered an alarm.
 *   [华为云][紧急告警恢复]云监控通知：N-D “R” 的M已恢复正常。
 */
#ifndef VENDORS_CES_TEXT_H
#define VENDORS_CES_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum ces_state { CES_STATE_UNKNOWN, CES_STATE_ALARM, CES_STATE_OK };

/* What a sentence says; "" for what it does not. */
struct ces_text {
    enum ces_state state;
    const char *level; /* as it is spelled there */
    const char *plain; /* without the brackets in front and the words for the state at the end:
                          the same for an alarm and its end */
    const char *rule, *metric, *resource_name, *resource_id;
};

void ces_text_parse(struct arena *arena, const char *sentence, struct ces_text *text)
    __attribute__((nonnull));

/* The times of CES: "2025/06/02 22:56:15 GMT+08:00" (also without its blanks) and
 * "01 12, 2024 13:51:16 GMT-03:00", month first. */
bool ces_parse_time(const char *string, int64_t *seconds) __attribute__((nonnull));

#endif
