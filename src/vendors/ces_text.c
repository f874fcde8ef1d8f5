#include "vendors/ces_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"

/* What ends the bracket that holds the level; the longest first. " Ok" says something only behind
 * a level that is known: "[Not Ok]" is somebody's own subject, and must page. */
static const struct {
    const char *suffix;
    enum ces_state state;
    bool after_any_word;
} bracket_ends[] = {
    {" Alarm", CES_STATE_ALARM, true},
    {" Ok", CES_STATE_OK, false},
    {"告警恢复", CES_STATE_OK, true},
    {"告警", CES_STATE_ALARM, true},
};

/* What a subject ends with, but for its full stop. */
static const struct {
    const char *words;
    enum ces_state state;
} sentence_ends[] = {
    {" has triggered an alarm", CES_STATE_ALARM},
    {" has changed to OK from Alarm", CES_STATE_OK},
    {"已触发告警", CES_STATE_ALARM},
    {"已恢复正常", CES_STATE_OK},
};

/* How a short message goes on after its time: more than these words, which anybody may use. */
static const struct {
    const char *words;
    enum ces_state state;
} sentence_middles[] = {
    {" triggered an alarm,Alarm Rule Name: ", CES_STATE_ALARM},
    {" changed to OK from Alarm,Alarm Rule Name: ", CES_STATE_OK},
    {"触发告警，触发规则：", CES_STATE_ALARM},
    {"恢复正常，触发规则：", CES_STATE_OK},
};

static const char *const level_words[] = {
    "紧急",  "緊急",  "重要",          "次要",        "提示", "Critical",
    "Major", "Minor", "Informational", "Information", "Info",
};

static bool is_level(const char *word)
{
    for (size_t i = 0; i < sizeof level_words / sizeof *level_words; i++) {
        if (text_equal_ignoring_case(word, level_words[i]))
            return true;
    }
    return false;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
    size_t end_length = strlen(end);
    return length >= end_length && !strncasecmp(text + length - end_length, end, end_length);
}

/* Length of the bracket group at the start, brackets included; 0: there is none. */
static size_t bracket(const char *text, const char **content, size_t *length)
{
    static const char *const pairs[][2] = {{"[", "]"}, {"【", "】"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t open = strlen(pairs[i][0]);
        if (strncmp(text, pairs[i][0], open))
            continue;
        const char *close = strstr(text, pairs[i][1]);
        if (!close)
            return 0;
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
    const char *whole = text_trim(arena, arena_copy(arena, content, length));
    length = strlen(whole);
    for (size_t i = 0; i < sizeof bracket_ends / sizeof *bracket_ends; i++) {
        if (!ends_with(whole, length, bracket_ends[i].suffix))
            continue;
        const char *level =
            text_trim(arena, arena_copy(arena, whole, length - strlen(bracket_ends[i].suffix)));
        if (!bracket_ends[i].after_any_word && !is_level(level))
            continue;
        text->state = bracket_ends[i].state;
        text->level = level;
        return;
    }
    /* What stands alone in a bracket and is a level, as AOM writes it. */
    if (is_level(whole))
        text->level = whole;
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

/* Of several pairs of marks, the first that stands there. */
static const char *first_between(struct arena *arena, const char *text,
                                 const char *const (*marks)[2])
{
    for (; (*marks)[0]; marks++) {
        const char *found = between(arena, text, (*marks)[0], (*marks)[1]);
        if (*found)
            return found;
    }
    return "";
}

/* The M of `: The M of N-D "R"`; M may hold " of " itself. */
static const char *english_metric(struct arena *arena, const char *sentence)
{
    static const char start[] = "The ", introduced[] = ": The ", middle[] = " of ";
    const char *from = strstr(sentence, introduced), *end = NULL;
    if (from)
        from += strlen(introduced);
    else if (!strncmp(sentence, start, strlen(start)))
        from = sentence + strlen(start);
    const char *quote = from ? strchr(from, '"') : NULL;
    bool is_quoted = quote && strchr(quote + 1, '"');
    for (const char *of = from; is_quoted && (of = strstr(of, middle)) && of < quote; of++)
        end = of;
    return end ? arena_copy(arena, from, (size_t)(end - from)) : "";
}

/* Whether a metric's name ends here: what a trigger and a recovery each go on with. */
static bool ends_chinese_metric(const char *text)
{
    static const char *const ends[] = {"当前数据", "已触发",   "已恢复",
                                       "触发告警", "恢复正常", "，"};
    /* Before a number: how often in a row, and when. */
    static const char *const counted[] = {"连续", "于"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (!strncmp(text, ends[i], strlen(ends[i])))
            return true;
    }
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        size_t length = strlen(counted[i]);
        if (!strncmp(text, counted[i], length) && text[length] >= '0' && text[length] <= '9')
            return true;
    }
    return false;
}

/* The M of `N-D “R” （ID：…）的M…` or `N-D “R” 的M…`. */
static const char *chinese_metric(struct arena *arena, const char *sentence)
{
    static const char *const starts[] = {"）的", "” 的", "”的"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        const char *from = strstr(sentence, starts[i]);
        if (!from)
            continue;
        from += strlen(starts[i]);
        size_t length = 0;
        while (from[length] && !ends_chinese_metric(from + length))
            length++;
        return from[length] ? text_trim(arena, arena_copy(arena, from, length)) : "";
    }
    return "";
}

static const char *resource_id(struct arena *arena, const char *sentence)
{
    static const char *const marks[][2] = {
        {"（ID：", "）"}, {"，ID：", "）"}, {"ID: ", ")"}, {NULL, NULL}};
    const char *id = first_between(arena, sentence, marks);
    const char *comma = strstr(id, "，");
    return comma ? arena_copy(arena, id, (size_t)(comma - id))
                 : arena_copy(arena, id, strcspn(id, ","));
}

/* What the sentence, its brackets gone, says of the alarm's state; *length becomes that of the
 * sentence without the words that say so at its end. */
static enum ces_state sentence_state(const char *sentence, size_t *length)
{
    static const char *const stops[] = {".", "。"};
    size_t end = *length;
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        if (ends_with(sentence, end, stops[i]))
            end -= strlen(stops[i]);
    }
    for (size_t i = 0; i < sizeof sentence_ends / sizeof *sentence_ends; i++) {
        if (ends_with(sentence, end, sentence_ends[i].words)) {
            *length = end - strlen(sentence_ends[i].words);
            return sentence_ends[i].state;
        }
    }
    for (size_t i = 0; i < sizeof sentence_middles / sizeof *sentence_middles; i++) {
        if (strstr(sentence, sentence_middles[i].words))
            return sentence_middles[i].state;
    }
    return CES_STATE_UNKNOWN;
}

void ces_text_parse(struct arena *arena, const char *sentence, struct ces_text *text)
{
    static const char *const rule_marks[][2] = {
        {"触发规则：", "，详情"},           {"触发规则：", "，"},        {"触发规则：", "。"},
        {"Alarm Rule Name: ", ", You can"}, {"Alarm Rule Name: ", ", "}, {NULL, NULL}};
    static const char *const name_marks[][2] = {{"“", "”"}, {"\"", "\""}, {NULL, NULL}};
    *text = (struct ces_text){CES_STATE_UNKNOWN, "", "", "", "", "", ""};
    const char *content;
    size_t length, group;
    sentence = text_trim(arena, sentence);
    while ((group = bracket(sentence, &content, &length)) > 0) {
        read_bracket(arena, content, length, text);
        sentence += group;
        sentence += strspn(sentence, " ");
    }
    text->rule = first_between(arena, sentence, rule_marks);
    text->metric = english_metric(arena, sentence);
    if (!*text->metric)
        text->metric = chinese_metric(arena, sentence);
    /* What stands in quotes elsewhere is anything. */
    if (*text->metric) {
        text->resource_name = first_between(arena, sentence, name_marks);
        text->resource_id = resource_id(arena, sentence);
    }
    length = strlen(sentence);
    enum ces_state state = sentence_state(sentence, &length);
    if (text->state == CES_STATE_UNKNOWN)
        text->state = state;
    text->plain = text_trim(arena, arena_copy(arena, sentence, length));
}

bool ces_parse_time(const char *string, int64_t *seconds)
{
    int year, month, day, hour, minute, second, offset_hours, offset_minutes, used = 0;
    char sign;
    if (sscanf(string, "%4d/%2d/%2d%2d:%2d:%2d GMT%c%2d:%2d %n", &year, &month, &day, &hour,
               &minute, &second, &sign, &offset_hours, &offset_minutes, &used) != 9 &&
        sscanf(string, "%2d %2d, %4d %2d:%2d:%2d GMT%c%2d:%2d %n", &month, &day, &year, &hour,
               &minute, &second, &sign, &offset_hours, &offset_minutes, &used) != 9)
        return false;
    if (string[used] || (sign != '+' && sign != '-') || offset_hours < 0 || offset_minutes < 0 ||
        offset_minutes > 59)
        return false;
    int offset = offset_hours * 60 + offset_minutes;
    return clock_seconds(year, month, day, hour, minute, second, sign == '-' ? -offset : offset,
                         seconds);
}
