#include "config/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/last_valid.h"
#include "config/scan.h"

static const char *const needed[SETTING_KIND_COUNT] = {
    [SETTING_BOOLEAN] = "true or false, without quotes",
    [SETTING_NUMBER] = "a whole number in decimal digits, without quotes",
    [SETTING_CHOICE] = "a text in double quotes",
    [SETTING_TEXT] = "a text in double quotes",
    [SETTING_TEXTS] = "an array of texts, [ \"…\", \"…\" ]",
    [SETTING_TEXT_OR_TEXTS] = "a text in double quotes, or an array of them, [ \"…\", \"…\" ]",
    [SETTING_GROUP] = "a group, { … }",
    [SETTING_LIST] = "a list of groups, ( { … }, { … } )",
};

/* A value of either source, before its row says whether it is right. */
struct value {
    const char *text;
    bool boolean;
    long long number;
};

static void write_line(const struct reader *reader, struct text *lines, struct place place,
                       const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

static void write_line(const struct reader *reader, struct text *lines, struct place place,
                       const char *format, va_list arguments)
{
    char message[1280]; /* as long as the longest error text that is passed on, and some words */
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        lines->failed = true;
    if (place.line > 0)
        text_printf(lines, "%s:%u: %s: %s\n", reader->config->path, place.line, place.name,
                    message);
    else
        text_printf(lines, "%s: %s\n", place.name ? place.name : reader->config->path, message);
}

void reader_complain(struct reader *reader, struct place place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(reader, &reader->report->errors, place, format, arguments);
    va_end(arguments);
}

void reader_warn(struct reader *reader, struct place place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(reader, &reader->report->warnings, place, format, arguments);
    va_end(arguments);
}

struct place reader_place(struct reader *reader, const config_setting_t *node, const char *prefix,
                          const char *name)
{
    return (struct place){arena_printf(&reader->scratch, "%s%s", prefix, name),
                          config_setting_source_line(node)};
}

const char *reader_path(struct reader *reader, const char *name, struct place place)
{
    if (*name == '/')
        return arena_string(&reader->config->arena, name);
    if (reader->folder)
        return arena_printf(&reader->config->arena, "%s%s", reader->folder, name);
    reader_complain(reader, place,
                    "is relative, but there is no configuration file whose folder "
                    "it could be in; write a path that begins with /");
    return NULL;
}

bool reader_load_file(struct reader *reader, const char *path, enum file_guard guard, size_t limit,
                      struct config_file *file, struct error *error)
{
    *file = (struct config_file){0};
    if (reader->kept)
        return file_set_find(reader->kept, path, &file->bytes) ||
               error_set(error, ERROR_NOT_FOUND, "was not kept");
    config_sources_note(&reader->report->sources, path);
    bool is_read = config_file_load(path, guard, limit, file, error);
    if (is_read)
        file_set_add(&reader->report->files, path, &file->bytes);
    else if (error->code == ERROR_FORBIDDEN)
        reader->report->is_distrusted = true;
    return is_read;
}

void reader_complain_of_readers(struct reader *reader, struct place place, const char *problem)
{
    reader->report->is_distrusted = true;
    reader_complain(reader, place, "%s; set permissions 600", problem);
}

static void complain_syntax(struct reader *reader, const config_t *tree)
{
    static const char *const texts[][2] = {
        {"duplicate setting name", "this setting stands here for the second time; keep one"},
        {"mismatched element type in array",
         "the values of an array are of different types; write each in double quotes"},
    };
    struct place place = {"syntax", (unsigned)config_error_line(tree)};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!strcmp(config_error_text(tree), texts[i][0])) {
            reader_complain(reader, place, "%s", texts[i][1]);
            return;
        }
    }
    reader_complain(reader, place,
                    "something is wrong here or just above; NAME = VALUE is expected, and every "
                    "quote and bracket closed");
}

bool reader_parse(struct reader *reader, const struct text *bytes, config_t *tree)
{
    struct text scanned = {0};
    struct place place = {.name = "syntax"};
    const char *problem;
    bool is_scanned = config_scan(text_string(bytes), &scanned, &place.line, &problem);
    bool is_parsed = is_scanned && config_read_string(tree, text_string(&scanned));
    if (!is_scanned)
        reader_complain(reader, place, "%s", problem);
    else if (!is_parsed)
        complain_syntax(reader, tree);
    if (scanned.failed)
        reader->scratch.failed = true;
    text_clear(&scanned);
    return is_parsed;
}

bool reader_split(struct reader *reader, const char *text, const char **left, const char **right)
{
    struct arena *arena = &reader->config->arena;
    const char *equals = strchr(text, '=');
    if (!equals)
        return false;
    *left = text_trim(arena, arena_copy(arena, text, (size_t)(equals - text)));
    *right = text_trim(arena, equals + 1);
    return true;
}

static void complain_kind(struct reader *reader, enum setting_kind kind, struct place place)
{
    reader_complain(reader, place, "is of the wrong type; it needs %s", needed[kind]);
}

bool reader_is(struct reader *reader, const config_setting_t *node, enum setting_kind kind,
               struct place place)
{
    int type = kind == SETTING_GROUP ? CONFIG_TYPE_GROUP : CONFIG_TYPE_LIST;
    if (config_setting_type(node) == type)
        return true;
    complain_kind(reader, kind, place);
    return false;
}

static bool value_of_node(const config_setting_t *node, enum setting_kind kind, struct value *value)
{
    switch (config_setting_type(node)) {
    case CONFIG_TYPE_BOOL:
        value->boolean = config_setting_get_bool(node);
        return kind == SETTING_BOOLEAN;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        value->number = config_setting_type(node) == CONFIG_TYPE_INT
                            ? config_setting_get_int(node)
                            : config_setting_get_int64(node);
        /* libconfig keeps only the low bits of a hexadecimal number. */
        return kind == SETTING_NUMBER && config_setting_get_format(node) == CONFIG_FORMAT_DEFAULT;
    case CONFIG_TYPE_STRING:
        value->text = config_setting_get_string(node);
        return kind == SETTING_CHOICE || kind == SETTING_TEXT || kind == SETTING_TEXT_OR_TEXTS;
    default:
        return false;
    }
}

static bool value_of_word(const char *word, enum setting_kind kind, struct value *value)
{
    size_t digits = strspn(word + (*word == '-'), "0123456789");
    value->text = word;
    switch (kind) {
    case SETTING_BOOLEAN:
        value->boolean = text_equal_ignoring_case(word, "true");
        return value->boolean || text_equal_ignoring_case(word, "false");
    case SETTING_NUMBER:
        value->number = strtoll(word, NULL, 10); /* too large: the largest, which is out of range */
        return digits > 0 && !word[(*word == '-') + digits];
    default:
        return true;
    }
}

static void store_number(const struct setting *setting, void *section, long long number)
{
    char *target = (char *)section + setting->offset;
    int as_int = (int)number;
    long as_long = (long)number;
    if (setting->size == sizeof as_int)
        memcpy(target, &as_int, sizeof as_int);
    else
        memcpy(target, &as_long, sizeof as_long);
}

static void take_number(struct reader *reader, const struct setting *setting, void *section,
                        long long number, struct place place)
{
    if (number < setting->minimum || number > setting->maximum)
        reader_complain(reader, place, "is out of range; %lld to %lld is right", setting->minimum,
                        setting->maximum);
    else
        store_number(setting, section, number);
}

static void take_choice(struct reader *reader, const struct setting *setting, void *section,
                        const char *word, struct place place)
{
    struct text known = {0};
    for (int i = 0; i < setting->maximum; i++) {
        text_printf(&known, "%s\"%s\"", i ? ", " : "", setting->choices[i]);
        if (!strcmp(setting->choices[i], word)) {
            store_number(setting, section, i);
            text_clear(&known);
            return;
        }
    }
    reader_complain(reader, place, "is not known; one of %s is right", text_string(&known));
    text_clear(&known);
}

static void add_text(struct reader *reader, const struct setting *setting, struct texts *texts,
                     const char *text, struct place place)
{
    const char *problem = config_check_text(text);
    if (!problem && setting->check)
        problem = setting->check(text);
    if (problem) {
        reader_complain(reader, place, "%s", problem);
        return;
    }
    texts->places[texts->count] = place;
    texts->items[texts->count++] = arena_string(&reader->config->arena, text);
}

static bool allocate_texts(struct reader *reader, struct texts *texts, size_t count)
{
    texts->items = arena_alloc(&reader->config->arena, (count + 1) * sizeof *texts->items);
    texts->places = arena_alloc(&reader->scratch, (count + 1) * sizeof *texts->places);
    return texts->items && texts->places;
}

static void take_texts(struct reader *reader, const struct setting *setting, void *section,
                       const struct texts *texts)
{
    if (texts->count == 0)
        return;
    if (setting->take)
        setting->take(reader, section, texts);
    else if (setting->size)
        memcpy((char *)section + setting->offset, texts->items, sizeof *texts->items);
}

static void take_value(struct reader *reader, const struct setting *setting, void *section,
                       const struct value *value, struct place place)
{
    struct texts texts = {0};
    switch (setting->kind) {
    case SETTING_BOOLEAN:
        memcpy((char *)section + setting->offset, &value->boolean, sizeof value->boolean);
        break;
    case SETTING_NUMBER:
        take_number(reader, setting, section, value->number, place);
        break;
    case SETTING_CHOICE:
        take_choice(reader, setting, section, value->text, place);
        break;
    default:
        if (!allocate_texts(reader, &texts, 1))
            return;
        add_text(reader, setting, &texts, value->text, place);
        take_texts(reader, setting, section, &texts);
    }
}

static void read_array(struct reader *reader, const struct setting *setting, void *section,
                       const config_setting_t *node, struct place place)
{
    struct texts texts = {0};
    int count = config_setting_length(node);
    if (count < setting->minimum || count > setting->maximum)
        reader_complain(reader, place, "has %d elements; %lld to %lld are right", count,
                        setting->minimum, setting->maximum);
    if (!allocate_texts(reader, &texts, (size_t)count))
        return;
    for (int i = 0; i < count; i++) {
        const config_setting_t *element = config_setting_get_elem(node, (unsigned)i);
        struct place at =
            reader_place(reader, element, place.name, arena_printf(&reader->scratch, "[%d]", i));
        if (config_setting_type(element) != CONFIG_TYPE_STRING)
            complain_kind(reader, SETTING_TEXT, at);
        else if (count <= setting->maximum)
            add_text(reader, setting, &texts, config_setting_get_string(element), at);
    }
    take_texts(reader, setting, section, &texts);
}

static void read_node(struct reader *reader, const struct setting *setting, void *section,
                      const config_setting_t *node, struct place place)
{
    struct value value = {0};
    bool may_be_array = setting->kind == SETTING_TEXTS || setting->kind == SETTING_TEXT_OR_TEXTS;
    if (setting->open) {
        if (reader_is(reader, node, setting->kind, place))
            setting->open(reader, section, node, place);
    } else if (may_be_array && config_setting_is_array(node)) {
        read_array(reader, setting, section, node, place);
    } else if (value_of_node(node, setting->kind, &value)) {
        take_value(reader, setting, section, &value, place);
    } else {
        complain_kind(reader, setting->kind, place);
    }
}

void reader_word(struct reader *reader, const struct setting *setting, void *section,
                 const char *word, struct place place)
{
    struct value value = {0};
    if (value_of_word(word, setting->kind, &value))
        take_value(reader, setting, section, &value, place);
    else
        complain_kind(reader, setting->kind, place);
}

static bool is_setting(const struct setting *settings, const char *name)
{
    for (; settings->name; settings++) {
        if (!strcmp(settings->name, name))
            return true;
    }
    return false;
}

void reader_section(struct reader *reader, const config_setting_t *group,
                    const struct setting *settings, void *section, const char *prefix,
                    struct place place)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *node = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(node);
        if (!is_setting(settings, name))
            reader_complain(reader, reader_place(reader, node, prefix, name),
                            "is unknown; this release has no such setting here");
    }
    for (const struct setting *setting = settings; setting->name; setting++) {
        const config_setting_t *node = config_setting_get_member(group, setting->name);
        struct place missing = {arena_printf(&reader->scratch, "%s%s", prefix, setting->name),
                                place.line};
        if (node)
            read_node(reader, setting, section, node,
                      reader_place(reader, node, prefix, setting->name));
        else if (setting->is_required)
            reader_complain(reader, missing, "is missing; it needs %s", needed[setting->kind]);
    }
}
