#include "store/sums.h"

#include <string.h>

#define ROOM_MIN 32

static bool is_same(const struct sum *a, const struct sum *b)
{
    if (a->sql != b->sql || a->text_count != b->text_count)
        return false;
    /* What differs differs at its end mostly: an integration's counters. */
    for (int i = a->text_count - 1; i >= 0; i--) {
        if (strcmp(a->texts[i], b->texts[i]) != 0)
            return false;
    }
    return true;
}

static bool make_room(struct sums *sums)
{
    size_t room = sums->room ? 2 * sums->room : ROOM_MIN;
    if (sums->count < sums->room)
        return true;
    struct sum *items = arena_alloc(&sums->arena, room * sizeof *items);
    if (!items)
        return false;
    if (sums->count > 0)
        memcpy(items, sums->items, sums->count * sizeof *items);
    sums->items = items;
    sums->room = room;
    return true;
}

bool sums_add(struct sums *sums, const struct sum *sum)
{
    for (size_t i = 0; i < sums->count; i++) {
        if (!is_same(&sums->items[i], sum))
            continue;
        sums->items[i].number = sum->is_last ? sum->number : sums->items[i].number + sum->number;
        return true;
    }
    if (!make_room(sums))
        return false;
    struct sum copy = *sum;
    for (int i = 0; i < sum->text_count; i++)
        copy.texts[i] = arena_string(&sums->arena, sum->texts[i]);
    if (sums->arena.failed)
        return false;
    sums->items[sums->count++] = copy;
    return true;
}

const struct sum *sums_find(const struct sums *sums, const char *sql, const char *text)
{
    const struct sum wanted = {.sql = sql, .texts = {text}, .text_count = 1};
    for (size_t i = 0; i < sums->count; i++) {
        if (is_same(&sums->items[i], &wanted))
            return &sums->items[i];
    }
    return NULL;
}

void sums_clear(struct sums *sums)
{
    arena_clear(&sums->arena);
    *sums = (struct sums){0};
}
