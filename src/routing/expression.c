#include "routing/expression.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/limits.h"
#include "base/text.h"
#include "routing/re2_syntax.h"

/* As PCRE2 counts: of backtracking from one place in the text, of nesting, of memory in KiB. What
 * the first counts costs more or less, and begins anew at each place: time is limited besides. */
#define MATCH_LIMIT 2000000
#define DEPTH_LIMIT 50000
#define HEAP_LIMIT_KIB 16384

/* How many steps are made between two looks at the clock. */
#define STEPS_A_LOOK 256

struct expression {
    pcre2_code *code;
};

/* ---- compiling, into an arena ---- */

static void *allocate(PCRE2_SIZE size, void *context)
{
    return arena_alloc(context, size);
}

static void keep(void *memory, void *context)
{
    (void)memory;
    (void)context;
}

/* With a callout at each step, which looks at the clock. */
static pcre2_code *compile(const char *pattern, struct arena *arena)
{
    const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
                             PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE |
                             PCRE2_AUTO_CALLOUT;
    int number;
    PCRE2_SIZE offset;
    pcre2_code *code = NULL;
    pcre2_general_context *memory = pcre2_general_context_create(allocate, keep, arena);
    pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
    if (context && pcre2_set_newline(context, PCRE2_NEWLINE_LF) == 0)
        code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &number, &offset,
                             context);
    return code;
}

const struct expression *expression_compile(const char *pattern, size_t length, struct arena *arena,
                                            struct syntax_problem *problem)
{
    struct text text = {0};
    *problem = (struct syntax_problem){0};
    bool is_right = length <= EXPRESSION_BYTES_MAX
                        ? re2_to_pcre2(pattern, length, &text, problem)
                        : syntax_fail(problem, 0, "an expression of at most 1024 bytes");
    struct expression *expression = arena_alloc(arena, sizeof *expression);
    const char *translated = text_into(&text, arena);
    if (!is_right || arena->failed)
        return NULL;
    expression->code = compile(translated, arena);
    if (!expression->code && !arena->failed)
        syntax_fail(problem, 0, "a smaller expression: its repetitions make this one too large");
    return expression->code ? expression : NULL;
}

/* ---- matching ---- */

/* Processor time, so that a busy machine changes nothing. */
static int64_t processor_us(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct spending {
    unsigned steps;
    int64_t until_us;
};

static int look(pcre2_callout_block *block, void *context)
{
    struct spending *spending = context;
    (void)block;
    if (++spending->steps % STEPS_A_LOOK)
        return 0;
    return processor_us() < spending->until_us ? 0 : PCRE2_ERROR_MATCHLIMIT;
}

enum expression_result expression_find(const struct expression *expression, const char *text)
{
    struct spending spending = {0, processor_us() + EXPRESSION_CPU_MS * INT64_C(1000)};
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int result = PCRE2_ERROR_NOMEMORY;
    if (data && context) {
        pcre2_set_match_limit(context, MATCH_LIMIT);
        pcre2_set_depth_limit(context, DEPTH_LIMIT);
        pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
        pcre2_set_callout(context, look, &spending);
        result = pcre2_match(expression->code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, context);
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    if (result == PCRE2_ERROR_NOMATCH)
        return EXPRESSION_ABSENT;
    return result >= 0 ? EXPRESSION_FOUND : EXPRESSION_LIMIT;
}
