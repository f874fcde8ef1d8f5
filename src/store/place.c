#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"
#include "base/state_folder.h"
#include "store/database.h"

#define STORE_FILE "gateway.db"
#define SPOOL_FILE "spool.db"

bool store_is_server(const char *place)
{
    return database_is_server(place);
}

const char *store_check_place(const char *place)
{
    return database_check(place);
}

const char *store_place_name(struct arena *arena, const char *place)
{
    return database_name(arena, place);
}

bool store_place_is_secret(const char *place)
{
    struct arena arena = {0};
    bool is_secret = strcmp(database_name(&arena, place), place) != 0;
    arena_clear(&arena);
    return is_secret;
}

static const char *place_of_file(struct arena *arena, const char *name)
{
    const char *folder = state_folder(arena, "");
    return folder ? arena_printf(arena, "%s/%s", folder, name) : NULL;
}

const char *store_place(struct arena *arena, const char *configured)
{
    if (configured)
        return *configured ? configured : NULL;
    return place_of_file(arena, STORE_FILE);
}

const char *store_spool_place(struct arena *arena, const char *place)
{
    return store_is_server(place) ? place_of_file(arena, SPOOL_FILE) : NULL;
}

static const char *owner_of(struct arena *arena, const char *path)
{
    struct stat status;
    struct account account;
    if (stat(path, &status))
        return "another user";
    (void)account_find(arena, status.st_uid, &account);
    return account.name ? account.name : arena_printf(arena, "user %u", (unsigned)status.st_uid);
}

/* Whether there is a store that may be used; on false an error is set only if there is one. */
static bool is_usable(struct arena *arena, const char *path, struct error *error)
{
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
        return true;
    if (errno == ENOENT || errno == ENOTDIR)
        return false;
    const char *whose = path;
    struct stat status;
    /* Of a file in a closed folder only the folder can be seen. */
    if (stat(path, &status) && strrchr(path, '/'))
        whose = arena_copy(arena, path, (size_t)(strrchr(path, '/') - path));
    const char *owner = owner_of(arena, whose);
    return error_set(
        error, ERROR_FORBIDDEN,
        "the store %s belongs to %s, and this user may not use it (%s); try sudo -u %s", path,
        owner, strerror(errno), owner);
}

/* A file of a name in any of the places; NULL: there is none. */
static const char *find_file(struct arena *arena, const char *name, struct error *error)
{
    const char *places[STATE_FOLDER_PLACES];
    size_t count = state_folder_places(arena, places);
    for (size_t i = 0; i < count && !error->code; i++) {
        const char *path = arena_printf(arena, "%s/%s", places[i], name);
        if (is_usable(arena, path, error))
            return path;
    }
    return NULL;
}

const char *store_spool_find(struct arena *arena, const char *place, struct error *error)
{
    return store_is_server(place) ? find_file(arena, SPOOL_FILE, error) : NULL;
}

const char *store_find(struct arena *arena, const char *configured, struct error *error)
{
    if (configured && !*configured) {
        error_set(error, ERROR_NOT_FOUND, "the configuration says store = \"none\"");
        return NULL;
    }
    if (configured && database_is_server(configured))
        return configured;
    const char *path = configured;
    if (!configured)
        path = find_file(arena, STORE_FILE, error);
    bool is_found = path && (!configured || is_usable(arena, path, error));
    if (!is_found)
        error_set(error, ERROR_NOT_FOUND, "there is no store%s%s", configured ? " at " : "",
                  configured ? configured : ": nothing was received yet, or by another user");
    return is_found ? path : NULL;
}
