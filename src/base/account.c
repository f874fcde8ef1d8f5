#include "base/account.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* More than any password entry that NSS is known to return. */
#define ENTRY_BYTES 65536

#ifdef STATIC_BUILD

static int look_up(uid_t user, struct passwd *entry, char *buffer, struct passwd **found)
{
    FILE *file = fopen("/etc/passwd", "re");
    if (!file)
        return errno;
    int number;
    while ((number = fgetpwent_r(file, entry, buffer, ENTRY_BYTES, found)) == 0) {
        if (entry->pw_uid == user)
            break;
        *found = NULL;
    }
    (void)fclose(file);
    return number;
}

#else

static int look_up(uid_t user, struct passwd *entry, char *buffer, struct passwd **found)
{
    return getpwuid_r(user, entry, buffer, ENTRY_BYTES, found);
}

#endif

/* What getpwuid_r(3) says it may return for a user who is not there. */
static bool means_unknown(int number)
{
    static const int numbers[] = {0, ENOENT, ESRCH, EBADF, EPERM};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (number == numbers[i])
            return true;
    }
    return false;
}

int account_find(struct arena *arena, uid_t user, struct account *account)
{
    struct passwd entry, *found = NULL;
    char *buffer = arena_alloc(arena, ENTRY_BYTES);
    *account = (struct account){0};
    if (!buffer)
        return ENOMEM;
    int number = look_up(user, &entry, buffer, &found);
    if (number || !found)
        return means_unknown(number) ? 0 : number;
    account->name = entry.pw_name;
    account->home = entry.pw_dir && entry.pw_dir[0] == '/' ? entry.pw_dir : NULL;
    return 0;
}
