#include "config/last_valid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/state_folder.h"
#include "base/write_all.h"
#include "config/file.h"

#define SUFFIX ".last-valid"
#define TEMPORARY ".new"
/* Longer than anybody writes. */
#define WRITING_S 60

/* ---- sets of files ---- */

void file_set_add(struct text *files, const char *path, const struct text *bytes)
{
    text_printf(files, "%zu %s\n", bytes->length, path);
    text_append(files, text_string(bytes), bytes->length);
}

bool file_set_find(const struct text *files, const char *path, struct text *bytes)
{
    const char *at = text_string(files), *end = at + files->length;
    while (at < end) {
        char *name;
        size_t length = strtoul(at, &name, 10);
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (*name != ' ' || !line_end || name > line_end || length > (size_t)(end - line_end) - 1)
            return false;
        name++;
        size_t name_length = (size_t)(line_end - name);
        if (strlen(path) == name_length && !memcmp(path, name, name_length)) {
            text_append(bytes, line_end + 1, length);
            return true;
        }
        at = line_end + 1 + length;
    }
    return false;
}

/* ---- the file ---- */

/* The path as one name: no slash, and none two paths share. */
static const char *name_of(struct arena *arena, const char *path)
{
    struct text name = {0};
    for (; *path; path++) {
        if (*path == '/' || *path == '%')
            text_printf(&name, "%%%02X", (unsigned)*path);
        else
            text_putc(&name, *path);
    }
    text_puts(&name, SUFFIX);
    return text_into(&name, arena);
}

const char *last_valid_place(struct arena *arena, const char *path)
{
    const char *folder = state_folder(arena, ""), *name = name_of(arena, path);
    if (!folder || strlen(name) + strlen(TEMPORARY) > NAME_MAX)
        return NULL;
    return arena_printf(arena, "%s/%s", folder, name);
}

static bool is_kept(const char *place, const struct text *files)
{
    struct config_file file;
    struct error ignored = {0};
    bool is_same = config_file_load(place, FILE_OWN, KEPT_BYTES_MAX, &file, &ignored) &&
                   file.bytes.length == files->length &&
                   !memcmp(text_string(&file.bytes), text_string(files), files->length);
    text_clear(&file.bytes);
    return is_same;
}

/* One name for all that write: whoever is killed leaves one file, which the next one clears away.
 * -1 with EEXIST: another process is writing. */
static int open_new(const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    struct stat status;
    int descriptor = open(path, flags, 0600);
    bool is_left = descriptor < 0 && errno == EEXIST && lstat(path, &status) == 0 &&
                   clock_wall_ms() / 1000 - status.st_mtim.tv_sec > WRITING_S;
    if (is_left && unlink(path) == 0)
        descriptor = open(path, flags, 0600);
    return descriptor;
}

static bool write_file(struct arena *arena, const char *place, const struct text *files)
{
    const char *path = arena_printf(arena, "%s" TEMPORARY, place);
    int descriptor = open_new(path);
    if (descriptor < 0)
        return errno == EEXIST;
    bool is_written =
        write_all(descriptor, text_string(files), files->length) && fsync(descriptor) == 0;
    is_written = close(descriptor) == 0 && is_written && rename(path, place) == 0;
    if (!is_written)
        (void)unlink(path);
    return is_written;
}

bool last_valid_keep(const char *path, const struct text *files, struct error *error)
{
    struct arena arena = {0};
    const char *place = last_valid_place(&arena, path);
    bool is_done = !place || is_kept(place, files) || write_file(&arena, place, files);
    if (!is_done)
        error_set(error, ERROR_UNAVAILABLE, "%s: %s", place, strerror(errno));
    arena_clear(&arena);
    return is_done;
}

bool last_valid_read(const char *path, struct text *files, struct error *error)
{
    struct arena arena = {0};
    struct config_file file = {0};
    const char *place = last_valid_place(&arena, path);
    if (!place)
        error_set(error, ERROR_NOT_FOUND, "there is no folder to keep one in");
    else if (config_file_load(place, FILE_OWN, KEPT_BYTES_MAX, &file, error))
        text_append(files, text_string(&file.bytes), file.bytes.length);
    text_clear(&file.bytes);
    arena_clear(&arena);
    return !error->code;
}
