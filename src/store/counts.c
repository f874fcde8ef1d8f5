#include "store/counts.h"

#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct count {
    char *integration;
    enum outcome outcome;
    int64_t number;
};

/* NULL when out of memory. */
static struct count *append(struct counts *counts, const char *integration, enum outcome outcome)
{
    struct count *longer = realloc(counts->items, (counts->length + 1) * sizeof *longer);
    if (!longer)
        return NULL;
    counts->items = longer;
    char *name = strdup(integration);
    if (!name)
        return NULL;
    longer[counts->length] = (struct count){name, outcome, 0};
    return &longer[counts->length++];
}

void counts_add(struct counts *counts, const char *integration, enum outcome outcome,
                int64_t number)
{
    struct count *found = NULL;
    for (size_t i = 0; i < counts->length && !found; i++) {
        struct count *count = &counts->items[i];
        if (count->outcome == outcome && !strcmp(count->integration, integration))
            found = count;
    }
    if (!found)
        found = append(counts, integration, outcome);
    if (found)
        found->number += number;
}

void counts_add_all(struct counts *counts, const struct counts *more)
{
    for (size_t i = 0; i < more->length; i++)
        counts_add(counts, more->items[i].integration, more->items[i].outcome,
                   more->items[i].number);
}

void counts_write(const struct counts *counts, struct database *database)
{
    for (size_t i = 0; i < counts->length; i++)
        ledger_receive(database, counts->items[i].integration, counts->items[i].outcome,
                       counts->items[i].number);
}

void counts_clear(struct counts *counts)
{
    for (size_t i = 0; i < counts->length; i++)
        free(counts->items[i].integration);
    free(counts->items);
    *counts = (struct counts){0};
}
