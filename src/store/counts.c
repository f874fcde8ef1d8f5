#include "store/counts.h"

#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct count {
    struct count *next;
    enum outcome outcome;
    int64_t number;
    char integration[];
};

/* One more, at zero; NULL when out of memory. */
static struct count *add(struct counts *counts, const char *integration, enum outcome outcome)
{
    size_t size = strlen(integration) + 1;
    struct count *count = malloc(sizeof *count + size);
    if (!count)
        return NULL;
    *count = (struct count){.next = counts->first, .outcome = outcome};
    memcpy(count->integration, integration, size);
    counts->first = count;
    return count;
}

void counts_add(struct counts *counts, const char *integration, enum outcome outcome,
                int64_t number)
{
    struct count *count = counts->first;
    while (count && (count->outcome != outcome || strcmp(count->integration, integration)))
        count = count->next;
    if (!count)
        count = add(counts, integration, outcome);
    if (count)
        count->number += number;
}

void counts_add_all(struct counts *counts, const struct counts *more)
{
    for (const struct count *count = more->first; count; count = count->next)
        counts_add(counts, count->integration, count->outcome, count->number);
}

void counts_write(const struct counts *counts, struct database *database)
{
    for (const struct count *count = counts->first; count; count = count->next)
        ledger_receive(database, count->integration, count->outcome, count->number);
}

void counts_clear(struct counts *counts)
{
    for (struct count *count = counts->first, *next; count; count = next) {
        next = count->next;
        free(count);
    }
    counts->first = NULL;
}
