#include "base/state_folder.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "flashduty-gateway"
#define SYSTEM_FOLDER "/var/lib/" PROGRAM
#define PASSWORD_ENTRY_BYTES 16384

static bool is_usable(const char *path)
{
    struct stat status;
    return !stat(path, &status) && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           !(status.st_mode & (S_IWGRP | S_IWOTH)) && !access(path, W_OK | X_OK);
}

/* Makes every folder of a path below the first `start` bytes. */
static bool make_folders(struct arena *arena, const char *path, size_t start)
{
    if (arena->failed) /* then path is shorter than that */
        return false;
    for (const char *c = path + start;; c++) {
        if (*c && *c != '/')
            continue;
        const char *part = arena_copy(arena, path, (size_t)(c - path));
        if (arena->failed || (mkdir(part, 0700) && errno != EEXIST))
            return false;
        if (!*c)
            return is_usable(path);
    }
}

static const char *home(struct arena *arena)
{
    struct passwd entry, *found = NULL;
    char *buffer = arena_alloc(arena, PASSWORD_ENTRY_BYTES);
    if (!buffer || getpwuid_r(geteuid(), &entry, buffer, PASSWORD_ENTRY_BYTES, &found) || !found)
        return "";
    return entry.pw_dir[0] == '/' ? entry.pw_dir : "";
}

const char *state_folder(struct arena *arena, const char *name)
{
    const char *given = getenv("XDG_STATE_HOME");
    const char *user = home(arena), *path;
    if (is_usable(SYSTEM_FOLDER)) {
        path = arena_printf(arena, SYSTEM_FOLDER "/%s", name);
        return make_folders(arena, path, strlen(SYSTEM_FOLDER) + 1) ? path : NULL;
    }
    if (given && given[0] == '/') {
        path = arena_printf(arena, "%s/" PROGRAM "/%s", given, name);
        return make_folders(arena, path, strlen(given) + 1) ? path : NULL;
    }
    if (!*user || strlen(user) < 2)
        return NULL;
    path = arena_printf(arena, "%s/.local/state/" PROGRAM "/%s", user, name);
    return make_folders(arena, path, strlen(user) + 1) ? path : NULL;
}
