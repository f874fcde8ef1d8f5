#include "vendors/ces_text.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* What ends the bracket that holds the level; the longest first. */
static const struct {
    const char *suffix;
    enum ces_state state;
} bracket_ends[] = {
    {" Alarm", CES_STATE_ALARM}, {" Ok", CES_STATE_OK},  {"告警恢复", CES_STATE_OK},
    {"告警", CES_STATE_ALARM},   {"恢复", CES_STATE_OK},
};

/* What a sentence ends with. */
static const struct {
    const char *words;
    enum ces_state state;
} sentence_ends[] = {
    {" has triggered an alarm.", CES_STATE_ALARM},
    {" has changed to OK from Alarm.", CES_STATE_OK},
    {"已触发告警。", CES_STATE_ALARM},
    {"已恢复正常。", CES_STATE_OK},
};

/* What stands alone in a bracket and is a level, as AOM writes it. */
static const char *const lone_levels[] = {"紧急",  "重要",  "次要", "提示",         "Critical",
                                          "Major", "Minor", "Info", "Informational"};

static bool ends_with(const char *text, size_t length, const char *end)
{
    size_t end_length = strlen(end);
    return length >= end_length && !memcmp(text + length - end_length, end, end_length);
}

/* Length of the bracket group at the start, brackets included; 0: there is none. */
static size_t bracket(const char *text, const char **content, size_t *length)
{
    static const char *const pairs[][2] = {{"[", "]"}, {"【", "】"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t open = strlen(pairs[i][0]);
        const char *close = strstr(text, pairs[i][1]);
        if (strncmp(text, pairs[i][0], open) || !close)
            continue;
        *content = text + open;
        *length = (size_t)(close - *content);
        return (size_t)(close - text) + strlen(pairs[i][1]);
    }
    return 0;
}

/* Level and state of one bracket; later brackets overwrite what earlier ones said. */
static void read_bracket(struct arena *arena, const char *content, size_t length,
                         struct ces_text *text)
{
    for (size_t i = 0; i < sizeof bracket_ends / sizeof *bracket_ends; i++) {
        size_t suffix = strlen(bracket_ends[i].suffix);
        if (!ends_with(content, length, bracket_ends[i].suffix) || length == suffix)
            continue;
        text->state = bracket_ends[i].state;
        text->level = arena_copy(arena, content, length - suffix);
        return;
    }
    const char *word = arena_copy(arena, content, length);
    for (size_t i = 0; i < sizeof lone_levels / sizeof *lone_levels; i++) {
        if (text_equal_ignoring_case(word, lone_levels[i]))
            text->level = word;
    }
}

/* The text between two marks; "" if they do not stand there in this order. */
static const char *between(struct arena *arena, const char *text, const char *start,
                           const char *end)
{
    const char *from = strstr(text, start);
    if (!from)
        return "";
    from += strlen(start);
    const char *to = strstr(from, end);
    return to ? text_trim(arena, arena_copy(arena, from, (size_t)(to - from))) : "";
}

static const char *first_between(struct arena *arena, const char *text,
                                 const char *const marks[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *found = between(arena, text, marks[i][0], marks[i][1]);
        if (*found)
            return found;
    }
    return "";
}

/* The metric's name stands before what a trigger and a recovery each go on with. */
static const char *chinese_metric(struct arena *arena, const char *sentence)
{
    static const char *const ends[] = {"连续", "当前数据", "已触发", "已恢复", "，"};
    const char *from = strstr(sentence, "）的");
    if (!from && !(from = strstr(sentence, "” 的")))
        return "";
    from = strstr(from, "的") + strlen("的");
    size_t length = strlen(from);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const char *end = strstr(from, ends[i]);
        if (end && (size_t)(end - from) < length)
            length = (size_t)(end - from);
    }
    return from[length] ? arena_copy(arena, from, length) : "";
}

void ces_text_parse(struct arena *arena, const char *sentence, struct ces_text *text)
{
    static const char *const rule_marks[][2] = {{"触发规则：", "，"}, {"Alarm Rule Name: ", ", "}};
    static const char *const name_marks[][2] = {{"“", "”"}, {"\"", "\""}};
    static const char *const id_marks[][2] = {
        {"（ID：", "，"}, {"（ID：", "）"}, {"ID: ", ")"}, {"，ID：", "）"}};
    *text = (struct ces_text){CES_STATE_UNKNOWN, "", "", "", "", "", ""};
    const char *content;
    size_t length, group;
    while ((group = bracket(sentence, &content, &length)) > 0) {
        read_bracket(arena, content, length, text);
        sentence += group;
    }
    text->rule = first_between(arena, sentence, rule_marks, 2);
    text->resource_name = first_between(arena, sentence, name_marks, 2);
    text->resource_id = first_between(arena, sentence, id_marks, 4);
    /* （ID：…，私网IP：…） or （ID：…）: whichever ends first. */
    text->resource_id = arena_copy(arena, text->resource_id, strcspn(text->resource_id, ",)"));
    const char *close = strstr(text->resource_id, "）");
    if (close)
        text->resource_id =
            arena_copy(arena, text->resource_id, (size_t)(close - text->resource_id));
    text->metric = between(arena, sentence, "The ", " of ");
    if (!*text->metric)
        text->metric = chinese_metric(arena, sentence);
    length = strlen(sentence);
    for (size_t i = 0; i < sizeof sentence_ends / sizeof *sentence_ends; i++) {
        if (!ends_with(sentence, length, sentence_ends[i].words))
            continue;
        length -= strlen(sentence_ends[i].words);
        if (text->state == CES_STATE_UNKNOWN)
            text->state = sentence_ends[i].state;
        break;
    }
    text->plain = text_trim(arena, arena_copy(arena, sentence, length));
}

bool ces_parse_time(const char *string, int64_t *seconds)
{
    int year, month, day, hour, minute, second, offset_hours, offset_minutes, used = 0;
    char sign;
    if (sscanf(string, "%4d/%2d/%2d%2d:%2d:%2d GMT%c%2d:%2d%n", &year, &month, &day, &hour, &minute,
               &second, &sign, &offset_hours, &offset_minutes, &used) != 9 &&
        sscanf(string, "%2d %2d, %4d %2d:%2d:%2d GMT%c%2d:%2d%n", &month, &day, &year, &hour,
               &minute, &second, &sign, &offset_hours, &offset_minutes, &used) != 9)
        return false;
    if (string[used] || (sign != '+' && sign != '-'))
        return false;
    int offset = offset_hours * 60 + offset_minutes;
    return clock_seconds(year, month, day, hour, minute, second, sign == '-' ? -offset : offset,
                         seconds);
}
