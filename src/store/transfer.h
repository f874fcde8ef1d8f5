/* A whole store is moved from a file to a server, for when one machine is not enough any more. */
#ifndef STORE_TRANSFER_H
#define STORE_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* Behind the name of a file that was moved. */
#define MOVED_SUFFIX "-moved"

struct transferred_table {
    const char *name;
    int64_t rows;
};

struct store_transfer {
    const char *from;  /* the path of a file */
    const char *to;    /* a server's URL */
    bool is_rehearsed; /* only looks whether it can be done, and at how much */
    /* How far it is, now and then; NULL: nobody wants to know. */
    void (*show)(void *context, int64_t rows, int64_t all);
    void *context;

    /* Filled in; strings live in the arena. */
    struct transferred_table
        *tables; /* what was copied, or would be; those without rows left out */
    size_t table_count;
    const char *kept; /* where the file is afterwards, and nothing writes to it */
};

/*
 * Copies everything but sends of the last minute and what only holds for one machine: ids and order
 * stay; what was being sent is to be sent again, as after a process that died. The server's store
 * is made if it is not there, and must be empty. It gets all in one transaction, or nothing.
 *
 * The file must be nobody else's meanwhile, and afterwards is kept under another name, marked, so
 * that what still knows it writes nowhere else by mistake: it begins a new store.
 *
 * On false nothing was changed anywhere. ERROR_NOT_FOUND: there is no such file; ERROR_FORBIDDEN:
 * somebody uses it, the server's store is not empty, or the file cannot be moved;
 * ERROR_UNAVAILABLE: one of the two cannot be used. */
bool store_transfer(struct store_transfer *move, struct arena *arena, struct error *error)
    __attribute__((nonnull));

#endif
