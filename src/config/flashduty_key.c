#include <string.h>

#include "config/file.h"
#include "config/sections.h"

/* A key is one line; this is room for words below it. */
#define KEY_FILE_BYTES_MAX 4096

/* Stands before the path of a file that holds the key. */
#define KEY_FILE_PREFIX "file:"

static const char *first_line(struct arena *arena, const char *text)
{
    return text_trim(arena, arena_copy(arena, text, strcspn(text, "\n")));
}

/* NULL after a complaint. The path is not shown: it may be a key, written behind the prefix. */
static const char *key_of_file(struct reader *reader, const char *name, struct place place)
{
    struct config_file file;
    struct error error = {0};
    const char *path = reader_path(reader, name, place), *key = NULL;
    if (!path)
        return NULL;
    if (!reader_load_file(reader, path, FILE_OWN, KEY_FILE_BYTES_MAX, &file, &error))
        reader_complain(reader, place, "the file it names %s", error.text);
    else if (file.is_public)
        reader_complain_of_readers(reader, place, "others may read the file it names");
    else
        key = first_line(&reader->config->arena, text_string(&file.bytes));
    text_clear(&file.bytes);
    return key;
}

const char *config_flashduty_key(struct reader *reader, const char *text, struct place place)
{
    bool is_file = !strncmp(text, KEY_FILE_PREFIX, strlen(KEY_FILE_PREFIX));
    const char *key = text;
    if (is_file)
        key = key_of_file(reader, text + strlen(KEY_FILE_PREFIX), place);
    const char *problem = key ? config_check_key(key) : NULL;
    if (!problem)
        return key;
    reader_complain(reader, place, "%s%s", is_file ? "the first line of the file it names " : "",
                    problem);
    return NULL;
}
