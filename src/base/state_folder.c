#include "base/state_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"

#define PROGRAM "flashduty-gateway"
#define SYSTEM_FOLDER "/var/lib/" PROGRAM

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
    struct account account;
    (void)account_find(arena, geteuid(), &account);
    return account.home ? account.home : "";
}

/* A folder called name below PARENT/MIDDLE; PARENT is there. */
static const char *folder_below(struct arena *arena, const char *parent, const char *middle,
                                const char *name)
{
    const char *path = arena_printf(arena, "%s%s%s%s", parent, middle, *name ? "/" : "", name);
    return make_folders(arena, path, strlen(parent) + 1) ? path : NULL;
}

const char *state_folder(struct arena *arena, const char *name)
{
    const char *given = getenv("XDG_STATE_HOME");
    const char *user = home(arena);
    if (is_usable(SYSTEM_FOLDER))
        return *name ? folder_below(arena, SYSTEM_FOLDER, "", name) : SYSTEM_FOLDER;
    if (given && given[0] == '/')
        return folder_below(arena, given, "/" PROGRAM, name);
    if (strlen(user) < 2)
        return NULL;
    return folder_below(arena, user, "/.local/state/" PROGRAM, name);
}

size_t state_folder_places(struct arena *arena, const char *places[static STATE_FOLDER_PLACES])
{
    const char *given = getenv("XDG_STATE_HOME");
    const char *user = home(arena);
    size_t count = 0;
    places[count++] = SYSTEM_FOLDER;
    if (given && given[0] == '/')
        places[count++] = arena_printf(arena, "%s/" PROGRAM, given);
    else if (strlen(user) > 1)
        places[count++] = arena_printf(arena, "%s/.local/state/" PROGRAM, user);
    return count;
}
