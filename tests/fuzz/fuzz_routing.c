/*
 * libFuzzer: filters and expressions. The input is a line and a text. As a filter the line is read
 * or refused at a place within it, and judges an alert with the text in it. As an expression it is
 * one to RE2, too, if it is one here, and both find it in the same texts.
 */
#include "fuzz.h"
#include "re2_reference.h"
#include "routing/routes.h"

static void must_be_within(const struct syntax_problem *problem, const char *text)
{
    MUST(problem->expected && *problem->expected);
    MUST(problem->offset <= strlen(text));
}

static void judge(const struct filter *filter, const char *text, struct arena *arena)
{
    struct alert alert = {.severity = SEVERITY_WARNING, .title = text, .description = ""};
    const struct route route = {
        .name = "a", .filters = filter, .filter_count = 1, .destination = {"a", "key"}};
    const struct routing routing = {&route, 1, {"", NULL}};
    bool holds = true;
    (void)alert_add_label(&alert, arena, "a", text);
    for (size_t i = 0; i < filter->count; i++) {
        const struct condition *condition = &filter->conditions[i];
        MUST(condition->value_count > 0 && *condition->text && *condition->name);
        must_be_utf8(condition->text);
        struct judgement judgement = condition_judge(condition, &alert);
        struct condition other = *condition;
        other.is_negated = !other.is_negated;
        MUST(judgement.is_limited || condition_judge(&other, &alert).holds != judgement.holds);
        holds = holds && judgement.holds;
    }
    struct choice choice = routing_choose(&routing, &alert, arena, NULL);
    MUST(choice.limited || choice.count == (holds ? 1 : 0));
}

static void try_filter(const char *line, const char *text)
{
    struct arena arena = {0};
    struct syntax_problem problem = {0};
    struct filter filter;
    if (filter_parse(line, &arena, &filter, &problem))
        judge(&filter, text, &arena);
    else
        must_be_within(&problem, line);
    MUST(!arena.failed);
    arena_clear(&arena);
}

static void try_expression(const char *line, const char *text)
{
    struct arena arena = {0};
    struct syntax_problem problem = {0};
    const struct expression *expression = expression_compile(line, strlen(line), &arena, &problem);
    if (expression) {
        enum expression_result result = expression_find(expression, text);
        int reference = re2_find(line, text);
        if (reference != -2)
            MUST(reference != -1 && (result == EXPRESSION_LIMIT || (int)result == reference));
    } else {
        must_be_within(&problem, line);
    }
    MUST(!arena.failed);
    arena_clear(&arena);
}

/* Well-formed, as a configuration and an alert are. */
static char *clean(const uint8_t *data, size_t size)
{
    struct text text = {0};
    for (size_t i = 0, length; i < size; i += length) {
        length = utf8_sequence((const char *)data + i, size - i);
        if (length > 0 && data[i])
            text_append(&text, (const char *)data + i, length);
        length += length == 0;
    }
    char *copy = strdup(text_string(&text));
    MUST(copy && !text.failed);
    text_clear(&text);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t length = newline ? (size_t)(newline - data) : size;
    char *line = clean(data, length);
    char *text = newline ? clean(newline + 1, size - length - 1) : strdup("");
    MUST(text);
    try_filter(line, text);
    try_expression(line, text);
    free(line);
    free(text);
    return 0;
}
