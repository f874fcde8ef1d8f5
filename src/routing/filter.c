#include "routing/filter.h"

#include <string.h>

#include "base/text.h"

#define LABEL_PREFIX "labels."
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS "0123456789"
#define SPACES " \t"

#define FIELD_EXPECTED                                                                        \
    "a field, severity, title, description or labels.NAME; conditions are joined by &&, and " \
    "alternatives are strings of their own"
#define VALUE_EXPECTED "a value; alternatives are split by one |"

struct parser {
    const char *start, *at;
    struct arena *arena;
    struct syntax_problem *problem;
};

static bool fail(const struct parser *parser, const char *at, const char *expected)
{
    return syntax_fail(parser->problem, (size_t)(at - parser->start), expected);
}

static void skip_spaces(struct parser *parser)
{
    parser->at += strspn(parser->at, SPACES);
}

static bool is_join(const char *at)
{
    return at[0] == '&' && at[1] == '&';
}

/* ---- fields ---- */

bool filter_is_label(const char *text, size_t length)
{
    return length > 0 && length <= ALERT_LABEL_NAME_MAX && strspn(text, LETTERS DIGITS) >= length &&
           !strchr(DIGITS, *text);
}

static bool parse_field(struct parser *parser, struct condition *condition)
{
    static const char *const names[] = {[FIELD_SEVERITY] = "severity",
                                        [FIELD_TITLE] = "title",
                                        [FIELD_DESCRIPTION] = "description"};
    const size_t prefix = strlen(LABEL_PREFIX);
    const char *begin = parser->at;
    size_t length = strcspn(begin, SPACES "=!|&");
    condition->name = arena_copy(parser->arena, begin, length);
    parser->at += length;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        condition->field = (enum field)i;
        if (!strcmp(condition->name, names[i]))
            return true;
    }
    condition->field = FIELD_LABEL;
    if (strncmp(begin, LABEL_PREFIX, prefix) != 0)
        return fail(parser, begin, FIELD_EXPECTED);
    return filter_is_label(begin + prefix, length - prefix) ||
           fail(parser, begin + prefix,
                "a label's name, of A-Z a-z 0-9 _ without a digit in front: all others became _");
}

/* ---- values ---- */

/* Where the expression at `at` ends, behind its second slash; NULL if it does not. */
static const char *expression_end(const char *at)
{
    for (at++; *at && *at != '/'; at++) {
        if (*at == '\\' && at[1])
            at++;
    }
    return *at ? at + 1 : NULL;
}

/* Where a value that is no expression ends, with the spaces behind it. */
static const char *plain_end(const char *at)
{
    for (; *at && *at != '|' && !is_join(at); at++) {
        if (*at == '\\' && at[1])
            at++;
    }
    return at;
}

static bool is_severity(const struct filter_value *value)
{
    for (int i = 0; i < SEVERITY_COUNT; i++) {
        if (!strcmp(value->text, severity_names[i]))
            return true;
    }
    return false;
}

static bool parse_value(struct parser *parser, enum field field, struct filter_value *value)
{
    skip_spaces(parser);
    const char *begin = parser->at;
    const char *end = *begin == '/' ? expression_end(begin) : plain_end(begin);
    if (!end)
        return fail(parser, begin,
                    "a second / that closes this expression; \\/ for a value that begins with /");
    parser->at = end;
    if (*begin == '/') {
        skip_spaces(parser);
        if (*parser->at && *parser->at != '|' && !is_join(parser->at))
            return fail(parser, parser->at,
                        "|, && or the end behind an expression; \\/ for a slash within it");
    }
    /* A space behind a backslash is none to trim, but nobody writes that. */
    while (end > begin && strchr(SPACES, end[-1]))
        end--;
    if (end == begin)
        return fail(parser, begin, VALUE_EXPECTED);
    if (!value_parse(begin, (size_t)(end - begin), parser->arena, value, parser->problem)) {
        parser->problem->offset += (size_t)(begin - parser->start);
        return false;
    }
    return field != FIELD_SEVERITY || value->kind != VALUE_EXACT || parser->arena->failed ||
           is_severity(value) || fail(parser, begin, "Critical, Warning, Info or Ok");
}

static size_t count_values(const char *text)
{
    size_t count = 1;
    for (; *text; text++)
        count += *text == '|';
    return count;
}

static bool parse_values(struct parser *parser, struct condition *condition)
{
    struct filter_value *values =
        arena_alloc(parser->arena, count_values(parser->at) * sizeof *values);
    condition->values = values;
    if (!values)
        return true;
    for (;;) {
        if (!parse_value(parser, condition->field, &values[condition->value_count++]))
            return false;
        if (*parser->at != '|')
            return true;
        parser->at++;
    }
}

/* ---- conditions ---- */

static bool parse_condition(struct parser *parser, struct condition *condition)
{
    skip_spaces(parser);
    const char *begin = parser->at;
    if (!parse_field(parser, condition))
        return false;
    skip_spaces(parser);
    condition->is_negated = parser->at[0] == '!';
    if ((parser->at[0] != '=' && parser->at[0] != '!') || parser->at[1] != '=')
        return fail(parser, parser->at, "== or != behind the field");
    parser->at += 2;
    if (!parse_values(parser, condition))
        return false;
    condition->text =
        text_trim(parser->arena, arena_copy(parser->arena, begin, (size_t)(parser->at - begin)));
    return true;
}

static size_t count_conditions(const char *text)
{
    size_t count = 1;
    for (; *text; text++)
        count += is_join(text);
    return count;
}

bool filter_parse(const char *text, struct arena *arena, struct filter *filter,
                  struct syntax_problem *problem)
{
    struct parser parser = {text, text, arena, problem};
    struct condition *conditions = arena_alloc(arena, count_conditions(text) * sizeof *conditions);
    *filter = (struct filter){.text = arena_string(arena, text), .conditions = conditions};
    while (conditions) {
        if (!parse_condition(&parser, &conditions[filter->count++]))
            return false;
        if (arena->failed || !is_join(parser.at))
            break;
        parser.at += 2;
    }
    return true;
}

/* ---- judging ---- */

static const char *field_of(const struct condition *condition, const struct alert *alert)
{
    const char *text = NULL;
    switch (condition->field) {
    case FIELD_SEVERITY:
        return severity_names[alert->severity];
    case FIELD_TITLE:
        text = alert->title;
        break;
    case FIELD_DESCRIPTION:
        text = alert->description;
        break;
    case FIELD_LABEL:
        text = alert_label(alert, condition->name + strlen(LABEL_PREFIX));
        break;
    }
    return text && *text ? text : NULL;
}

struct judgement condition_judge(const struct condition *condition, const struct alert *alert)
{
    struct judgement judgement = {.seen = field_of(condition, alert)};
    enum match best = MATCH_NO;
    for (size_t i = 0; i < condition->value_count && judgement.seen && best != MATCH_YES; i++) {
        enum match match = value_match(&condition->values[i], judgement.seen);
        if (match != MATCH_NO)
            best = match;
    }
    /* What cannot be known must not keep a page from anybody. */
    judgement.is_limited = best == MATCH_LIMIT;
    judgement.holds = judgement.is_limited || (best == MATCH_YES) != condition->is_negated;
    return judgement;
}
