#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"

#define CONFIG_SYSTEM_FILE "/etc/flashduty-gateway/gateway.conf"
#define CONFIG_USER_FILE ".config/flashduty-gateway/gateway.conf"

static bool system_error(struct error *error, const char *what)
{
    int number = errno;
    bool is_missing = number == ENOENT || number == ENOTDIR;
    return error_set(error, is_missing ? ERROR_NOT_FOUND : ERROR_INVALID,
                     "%s: %s; name a file that user %ju may read", what, strerror(number),
                     (uintmax_t)geteuid());
}

static bool check_status(const struct stat *status, enum file_guard guard, size_t limit,
                         struct error *error)
{
    if (!S_ISREG(status->st_mode))
        return error_set(error, ERROR_INVALID, "is no regular file; name a file");
    if (guard == FILE_OWN && status->st_uid != 0 && status->st_uid != geteuid())
        return error_set(
            error, ERROR_FORBIDDEN,
            "belongs to user %ju; it must belong to root or to the user who runs this program, "
            "here user %ju: run it as that user, or change the owner",
            (uintmax_t)status->st_uid, (uintmax_t)geteuid());
    mode_t writers = guard == FILE_OWN ? S_IWGRP | S_IWOTH : S_IWOTH;
    if (status->st_mode & writers)
        return error_set(error, ERROR_FORBIDDEN, "can be changed by %s; set permissions %s",
                         status->st_mode & S_IWOTH ? "everybody" : "its group",
                         guard == FILE_OWN ? "600" : "644");
    if (status->st_size < 0 || (uintmax_t)status->st_size > limit)
        return error_set(error, ERROR_INVALID, "has %jd bytes; at most %zu are read",
                         (intmax_t)status->st_size, limit);
    return true;
}

static bool read_bytes(int descriptor, size_t size, struct text *bytes, struct error *error)
{
    char buffer[16384];
    ssize_t count;
    while (bytes->length <= size && (count = read(descriptor, buffer, sizeof buffer)) != 0) {
        if (count > 0)
            text_append(bytes, buffer, (size_t)count);
        else if (errno != EINTR)
            return system_error(error, "cannot be read");
        if (bytes->failed)
            return error_out_of_memory(error);
    }
    explicit_bzero(buffer, sizeof buffer);
    if (bytes->length != size)
        return error_set(error, ERROR_INVALID, "was changed while it was read; read it again");
    if (memchr(text_string(bytes), '\0', bytes->length))
        return error_set(error, ERROR_INVALID, "holds a NUL byte; save it as plain UTF-8 text");
    return true;
}

bool config_file_load(const char *path, enum file_guard guard, size_t limit,
                      struct config_file *file, struct error *error)
{
    *file = (struct config_file){0};
    /* Not to be held up by a pipe or a terminal, which check_status then refuses. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return system_error(error, "cannot be opened");
    struct stat status;
    bool is_read = false;
    if (fstat(descriptor, &status) != 0)
        system_error(error, "cannot be examined");
    else if (check_status(&status, guard, limit, error))
        is_read = read_bytes(descriptor, (size_t)status.st_size, &file->bytes, error);
    close(descriptor);
    if (is_read)
        file->is_public = status.st_mode & S_IROTH;
    else
        text_clear(&file->bytes);
    return is_read;
}

/* NULL: the user has no home. CGI has no HOME, and suEXEC strips most variables. */
static bool find_home(struct arena *arena, const char **home, struct error *error)
{
    struct account account;
    int number = account_find(arena, geteuid(), &account);
    *home = account.home;
    return number == 0 || error_set(error, ERROR_INVALID,
                                    "the home folder of user %ju cannot be looked up: %s; set "
                                    "FLASHDUTY_GATEWAY_CONFIG",
                                    (uintmax_t)geteuid(), strerror(number));
}

bool config_file_places(struct arena *arena, const char *places[static CONFIG_PLACES],
                        size_t *count, struct error *error)
{
    const char *home;
    if (!find_home(arena, &home, error))
        return false;
    *count = 0;
    if (home)
        places[(*count)++] = arena_printf(arena, "%s/%s", home, CONFIG_USER_FILE);
    places[(*count)++] = CONFIG_SYSTEM_FILE;
    return !arena->failed || error_out_of_memory(error);
}

const char *config_file_folder(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_copy(arena, path, (size_t)(slash - path) + 1) : "";
}
