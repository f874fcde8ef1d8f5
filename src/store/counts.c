#include "store/counts.h"

#include <stdlib.h>
#include <string.h>

#include "store/history.h"
#include "store/internal.h"

struct count {
    struct count *next;
    enum counted_kind kind;
    int value;
    int64_t number;
    char integration[];
};

/* One more, at zero; NULL when out of memory. */
static struct count *add(struct counts *counts, const struct counted *what)
{
    size_t size = strlen(what->integration) + 1;
    struct count *count = malloc(sizeof *count + size);
    if (!count)
        return NULL;
    *count = (struct count){.next = counts->first, .kind = what->kind, .value = what->value};
    memcpy(count->integration, what->integration, size);
    counts->first = count;
    return count;
}

static bool is_of(const struct count *count, const struct counted *what)
{
    return count->kind == what->kind && count->value == what->value &&
           !strcmp(count->integration, what->integration);
}

void counts_add(struct counts *counts, const struct counted *what, int64_t number)
{
    struct count *count = counts->first;
    while (count && !is_of(count, what))
        count = count->next;
    if (!count)
        count = add(counts, what);
    if (count)
        count->number += number;
}

void counts_add_all(struct counts *counts, const struct counts *more)
{
    for (const struct count *count = more->first; count; count = count->next) {
        const struct counted what = {count->kind, count->value, count->integration};
        counts_add(counts, &what, count->number);
    }
}

void counts_write(const struct counts *counts, struct database *database)
{
    for (const struct count *count = counts->first; count; count = count->next) {
        switch (count->kind) {
        case COUNTED_OUTCOME:
            ledger_receive(database, count->integration, (enum outcome)count->value, count->number);
            break;
        case COUNTED_REFUSAL:
            ledger_refuse(database, count->integration, (enum refusal)count->value, count->number);
            break;
        case COUNTED_UNRECORDED:
            counter_add(database, COUNTER_UNRECORDED, count->integration, "", count->number);
            break;
        }
    }
}

void counts_clear(struct counts *counts)
{
    for (struct count *count = counts->first, *next; count; count = next) {
        next = count->next;
        free(count);
    }
    counts->first = NULL;
}
