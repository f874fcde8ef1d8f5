/*
 * Who a user is, by the password database. The static build reads /etc/passwd alone: everything
 * else that glibc would ask comes in libraries of the machine that it was built on.
 */
#ifndef BASE_ACCOUNT_H
#define BASE_ACCOUNT_H

#include <sys/types.h>

#include "base/arena.h"

struct account {
    const char *name; /* NULL: nobody is known by that number */
    const char *home; /* NULL: none, or no absolute path */
};

/* Looks a user up; the strings are the arena's. Returns 0, also for a user who is not known, else
 * why the database could not be read (as errno). */
int account_find(struct arena *arena, uid_t user, struct account *account) __attribute__((nonnull));

#endif
