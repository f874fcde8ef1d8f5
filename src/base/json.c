#include "base/json.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/* Digits that a double keeps whatever they are. */
#define EXACT_DIGITS 15
#define EXACT_INTEGER 9007199254740992.0 /* 2^53 */
#define EXACT_INTEGER_DIGITS 16

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* ---- the scan ---- */

struct scanner {
    const char *start, *at, *end;
    struct text out; /* the repaired copy */
    struct json *json;
    struct error *error;
    size_t member_size;
    unsigned values;
    int depth;
    char containers[JSON_DEPTH_MAX]; /* '{' or '[' */
};

static bool expected(struct scanner *scanner, const char *what)
{
    const char *cut = scanner->at == scanner->end ? ", where it ends" : "";
    return error_set(scanner->error, ERROR_INVALID, "not JSON: expected %s at byte %zu%s", what,
                     (size_t)(scanner->at - scanner->start), cut);
}

static int peek(const struct scanner *scanner)
{
    return scanner->at < scanner->end ? (unsigned char)*scanner->at : -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct scanner *scanner)
{
    while (scanner->at < scanner->end && is_space(*scanner->at))
        scanner->at++;
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of four hex digits, -1 if they are none. */
static int hex4(const char *at, const char *end)
{
    int value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit((unsigned char)at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The code point of the \u escape at `at` (behind the u), a surrogate pair taken together; -1 for
 * no escape, -2 for a lone surrogate. used: bytes behind the u. */
static int unicode_escape(const char *at, const char *end, size_t *used)
{
    int high = hex4(at, end);
    *used = 4;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    int low = end - at >= 10 && at[4] == '\\' && at[5] == 'u' ? hex4(at + 6, end) : -1;
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return -2;
    *used = 10;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static bool scan_escape(struct scanner *scanner)
{
    const char *escape = scanner->at;
    scanner->at++;
    int c = peek(scanner);
    if (c < 0 || !memchr("\"\\/bfnrtu", c, 9))
        return expected(scanner, "one of \"\\/bfnrtu");
    scanner->at++;
    if (c != 'u') {
        text_append(&scanner->out, escape, 2);
        return true;
    }
    size_t used;
    int code_point = unicode_escape(scanner->at, scanner->end, &used);
    if (code_point == -1)
        return expected(scanner, "four hexadecimal digits");
    if (code_point == -2 || code_point == 0)
        text_puts(&scanner->out, REPLACEMENT);
    else
        text_append(&scanner->out, escape, 2 + used);
    scanner->at += used;
    return true;
}

static bool scan_string(struct scanner *scanner)
{
    scanner->at++;
    text_putc(&scanner->out, '"');
    for (;;) {
        size_t run = text_plain_length(scanner->at, scanner->end);
        text_append(&scanner->out, scanner->at, run);
        scanner->at += run;
        int c = peek(scanner);
        if (c == '"')
            break;
        if (c == '\\') {
            if (!scan_escape(scanner))
                return false;
        } else if (c < 0x20) {
            return expected(scanner,
                            c < 0 ? "the end of a string" : "an escape for a control character");
        } else {
            text_puts(&scanner->out, REPLACEMENT);
            scanner->at++;
        }
    }
    scanner->at++;
    text_putc(&scanner->out, '"');
    return true;
}

static size_t digits(struct scanner *scanner)
{
    const char *start = scanner->at;
    while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9')
        scanner->at++;
    return (size_t)(scanner->at - start);
}

/* Whether a double keeps every digit of a number. */
static bool is_exact(const char *number, size_t length)
{
    char copy[64];
    size_t significant = 0;
    bool has_begun = false;
    /* cJSON reads no more of a number either. */
    if (length >= sizeof copy)
        return false;
    memcpy(copy, number, length);
    copy[length] = '\0';
    if (!strpbrk(copy, ".eE")) {
        const char *integer = copy + (*copy == '-');
        return strlen(integer) <= EXACT_INTEGER_DIGITS && strtod(integer, NULL) <= EXACT_INTEGER &&
               strcmp(integer, "9007199254740993") != 0;
    }
    for (const char *c = copy; *c && *c != 'e' && *c != 'E'; c++) {
        has_begun = has_begun || (*c >= '1' && *c <= '9');
        significant += has_begun && *c != '.';
    }
    double value = strtod(copy, NULL);
    bool in_range = isfinite(value) && (!has_begun || fabs(value) >= DBL_MIN);
    return in_range && significant <= EXACT_DIGITS;
}

static bool scan_number(struct scanner *scanner)
{
    const char *start = scanner->at;
    if (peek(scanner) == '-')
        scanner->at++;
    if (peek(scanner) == '0')
        scanner->at++;
    else if (digits(scanner) == 0)
        return expected(scanner, "a digit");
    if (peek(scanner) == '.') {
        scanner->at++;
        if (digits(scanner) == 0)
            return expected(scanner, "a digit");
    }
    if (peek(scanner) == 'e' || peek(scanner) == 'E') {
        scanner->at++;
        if (peek(scanner) == '+' || peek(scanner) == '-')
            scanner->at++;
        if (digits(scanner) == 0)
            return expected(scanner, "a digit");
    }
    size_t length = (size_t)(scanner->at - start);
    bool as_text = !is_exact(start, length);
    if (as_text)
        text_putc(&scanner->out, '"');
    text_append(&scanner->out, start, length);
    if (as_text)
        text_putc(&scanner->out, '"');
    return true;
}

/* The words of JSON, and Python's for what JSON has no number for. */
static const struct {
    const char *word, *written;
} words[] = {
    {"true", "true"}, {"false", "false"},   {"null", "null"},
    {"NaN", "null"},  {"Infinity", "null"}, {"-Infinity", "null"},
};

static bool scan_word(struct scanner *scanner)
{
    size_t left = (size_t)(scanner->end - scanner->at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if (left >= length && !memcmp(scanner->at, words[i].word, length)) {
            text_puts(&scanner->out, words[i].written);
            scanner->at += length;
            return true;
        }
    }
    return false;
}

/* A value that is no container. */
static bool scan_scalar(struct scanner *scanner)
{
    int c = peek(scanner);
    if (c == '"')
        return scan_string(scanner);
    if (scan_word(scanner))
        return true;
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(scanner);
    return expected(scanner, "a value");
}

/* Notes a member of the top-level object: name is its string in the repaired copy. */
static bool note_member(struct scanner *scanner, size_t name)
{
    struct json *json = scanner->json;
    if (json->member_count == scanner->member_size) {
        size_t size = scanner->member_size ? scanner->member_size * 2 : 64;
        struct json_member *members = arena_alloc(&json->arena, size * sizeof *members);
        if (!members)
            return error_out_of_memory(scanner->error);
        if (json->member_count)
            memcpy(members, json->members, json->member_count * sizeof *members);
        json->members = members;
        scanner->member_size = size;
    }
    struct json_member *member = &json->members[json->member_count++];
    member->value = scanner->at;
    /* With its quotes, without the colon. */
    const char *written = text_string(&scanner->out) + name;
    size_t length = scanner->out.length - name - 1;
    if (!memchr(written, '\\', length)) {
        member->name = arena_copy(&json->arena, written + 1, length - 2);
        return !json->arena.failed || error_out_of_memory(scanner->error);
    }
    cJSON *decoded = cJSON_ParseWithLength(written, length);
    member->name = arena_string(&json->arena, cJSON_GetStringValue(decoded));
    cJSON_Delete(decoded);
    return json->arena.failed || !decoded ? error_out_of_memory(scanner->error) : true;
}

/* A member's name and its colon. */
static bool scan_name(struct scanner *scanner)
{
    size_t name = scanner->out.length;
    if (peek(scanner) != '"')
        return expected(scanner, "a member's name");
    if (!scan_string(scanner))
        return false;
    skip_space(scanner);
    if (peek(scanner) != ':')
        return expected(scanner, "':'");
    scanner->at++;
    text_putc(&scanner->out, ':');
    skip_space(scanner);
    return scanner->depth > 1 || scanner->out.failed || note_member(scanner, name);
}

static bool open_container(struct scanner *scanner, char kind)
{
    if (scanner->depth == JSON_DEPTH_MAX)
        return error_set(scanner->error, ERROR_INVALID, "JSON nested deeper than %d",
                         JSON_DEPTH_MAX);
    scanner->containers[scanner->depth++] = kind;
    scanner->at++;
    text_putc(&scanner->out, kind);
    skip_space(scanner);
    return true;
}

static char closing(char kind)
{
    return kind == '{' ? '}' : ']';
}

/* After a value: closes what ends here, up to a comma or the end of all. */
static bool close_containers(struct scanner *scanner)
{
    for (;;) {
        if (scanner->depth == 1 && scanner->json->member_count && scanner->containers[0] == '{') {
            struct json_member *last = &scanner->json->members[scanner->json->member_count - 1];
            last->length = (size_t)(scanner->at - last->value);
        }
        if (scanner->depth == 0)
            return true;
        char kind = scanner->containers[scanner->depth - 1];
        skip_space(scanner);
        if (peek(scanner) == ',') {
            scanner->at++;
            text_putc(&scanner->out, ',');
            skip_space(scanner);
            return kind == '[' || scan_name(scanner);
        }
        if (peek(scanner) != closing(kind))
            return expected(scanner, kind == '{' ? "',' or '}'" : "',' or ']'");
        scanner->at++;
        text_putc(&scanner->out, closing(kind));
        scanner->depth--;
    }
}

/* One value and whatever it closes. */
static bool scan_value(struct scanner *scanner)
{
    int c = peek(scanner);
    if (++scanner->values > JSON_VALUES_MAX)
        return error_set(scanner->error, ERROR_INVALID, "JSON with more than %d values",
                         JSON_VALUES_MAX);
    if (c != '{' && c != '[')
        return scan_scalar(scanner) && close_containers(scanner);
    if (!open_container(scanner, (char)c))
        return false;
    if (peek(scanner) == closing((char)c)) {
        scanner->at++;
        text_putc(&scanner->out, closing((char)c));
        scanner->depth--;
        return close_containers(scanner);
    }
    return c == '[' || scan_name(scanner);
}

static bool scan(struct scanner *scanner)
{
    if (scanner->end - scanner->at >= 3 && !memcmp(scanner->at, BYTE_ORDER_MARK, 3))
        scanner->at += 3;
    skip_space(scanner);
    if (scanner->at == scanner->end)
        return error_set(scanner->error, ERROR_INVALID, "the body is empty: expected JSON");
    do {
        if (!scan_value(scanner))
            return false;
    } while (scanner->depth > 0);
    skip_space(scanner);
    return scanner->at == scanner->end || expected(scanner, "the end");
}

/* ---- the tree ---- */

/* Where the tree that this thread is making lies; NULL for all that cJSON makes besides. A tree is
 * a hundred small blocks that live and die together. */
static _Thread_local struct arena *tree_arena;

static void *allocate(size_t size)
{
    return tree_arena ? arena_alloc(tree_arena, size) : malloc(size);
}

static void release(void *memory)
{
    if (!tree_arena)
        free(memory);
}

static void set_hooks(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = release});
}

static cJSON *make_tree(const struct text *text, struct arena *arena)
{
    tree_arena = arena;
    cJSON *root = cJSON_ParseWithLengthOpts(text_string(text), text->length + 1, NULL, true);
    tree_arena = NULL;
    return root;
}

static int compare_members(const void *a, const void *b)
{
    const struct json_member *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : (left->value > right->value) - (left->value < right->value);
}

bool json_parse(const char *bytes, size_t length, struct json *json, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_hooks);
    *json = (struct json){0};
    struct scanner scanner = {.json = json, .error = error};
    scanner.start = scanner.at = length ? bytes : "";
    scanner.end = scanner.start + length;
    bool is_json = scan(&scanner);
    if (is_json && json->member_count > 0)
        qsort(json->members, json->member_count, sizeof *json->members, compare_members);
    if (is_json && !scanner.out.failed && !json->arena.failed)
        json->root = make_tree(&scanner.out, &json->arena);
    text_clear(&scanner.out);
    if (json->root)
        return true;
    json_clear(json);
    return is_json ? error_out_of_memory(error) : false;
}

bool json_parse_within(const char *text, struct json *json, struct arena *arena)
{
    struct error error = {0};
    if (json_parse(text, strlen(text), json, &error))
        return true;
    arena->failed = arena->failed || error.code == ERROR_UNAVAILABLE;
    return false;
}

void json_clear(struct json *json)
{
    arena_clear(&json->arena);
    *json = (struct json){0};
}

/* ---- the top-level members ---- */

const char *json_duplicate(const struct json *json)
{
    for (size_t i = 1; i < json->member_count; i++) {
        if (!strcmp(json->members[i - 1].name, json->members[i].name))
            return json->members[i].name;
    }
    return NULL;
}

/* Appends what the string between the quotes at `at` and `end` stands for. */
static void decode(struct text *value, const char *at, const char *end)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    for (at++, end--; at < end; at++) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        text_append(value, at, (size_t)((escape ? escape : end) - at));
        if (!escape)
            return;
        at = escape + 1;
        if (*at == 'u') {
            size_t used;
            int code_point = unicode_escape(at + 1, end, &used);
            if (code_point < 0)
                text_puts(value, REPLACEMENT);
            else
                text_code_point(value, (unsigned)code_point);
            at += used;
            continue;
        }
        for (const char *pair = escapes; *pair; pair += 2) {
            if (*pair == *at)
                text_putc(value, pair[1]);
        }
    }
}

bool json_exact(const struct json *json, const char *name, struct text *value)
{
    for (size_t i = 0; i < json->member_count; i++) {
        const struct json_member *member = &json->members[i];
        if (strcmp(member->name, name))
            continue;
        if (*member->value != '"')
            return false;
        decode(value, member->value, member->value + member->length);
        return true;
    }
    return false;
}

/* ---- readers ---- */

const cJSON *json_get(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const cJSON *json_get_ignoring_case(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItem(object, name) : NULL;
}

const char *json_string(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_get(object, name));
}

#define NUMBER_SIZE 40

static void print_number(double value, char text[static NUMBER_SIZE])
{
    bool is_integer = fabs(value) <= EXACT_INTEGER && (double)(long long)value == value;
    snprintf(text, NUMBER_SIZE, is_integer ? "%.0f" : "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, NUMBER_SIZE, "%.17g", value);
}

const char *json_scalar(struct arena *arena, const cJSON *item)
{
    if (cJSON_IsString(item))
        return item->valuestring;
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "true" : "false";
    if (!cJSON_IsNumber(item))
        return NULL;
    char text[NUMBER_SIZE];
    print_number(item->valuedouble, text);
    return arena_string(arena, text);
}

/* cJSON's own printing rounds integers of 16 digits. Recursion is bounded by JSON_DEPTH_MAX. */
static void print(struct text *out, const cJSON *item)
{
    char number[NUMBER_SIZE];
    bool is_object = cJSON_IsObject(item);
    if (is_object || cJSON_IsArray(item)) {
        text_putc(out, is_object ? '{' : '[');
        for (const cJSON *child = item->child; child; child = child->next) {
            if (is_object) {
                text_json(out, child->string);
                text_putc(out, ':');
            }
            print(out, child);
            if (child->next)
                text_putc(out, ',');
        }
        text_putc(out, is_object ? '}' : ']');
    } else if (cJSON_IsString(item)) {
        text_json(out, item->valuestring);
    } else if (cJSON_IsNumber(item)) {
        print_number(item->valuedouble, number);
        text_puts(out, number);
    } else {
        text_puts(out, cJSON_IsTrue(item) ? "true" : cJSON_IsFalse(item) ? "false" : "null");
    }
}

const char *json_compact(struct arena *arena, const cJSON *item)
{
    struct text out = {0};
    if (!item)
        return "";
    print(&out, item);
    return text_into(&out, arena);
}
