#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the first block, and of the largest: each is twice the one before. Many arenas hold a few
 * hundred bytes, one of a request under way a few thousand, and what is given back is wiped whole.
 */
#define FIRST_BLOCK_BYTES 2048
#define BLOCK_BYTES_MAX 16384

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    _Alignas(max_align_t) unsigned char data[];
};

static size_t next_block_bytes(const struct arena_block *last)
{
    if (!last)
        return FIRST_BLOCK_BYTES;
    return last->size < BLOCK_BYTES_MAX / 2 ? 2 * last->size : BLOCK_BYTES_MAX;
}

static size_t aligned(size_t size)
{
    const size_t align = _Alignof(max_align_t);
    return (size + align - 1) / align * align;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size = aligned(size);
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t space = next_block_bytes(block);
        space = size > space ? size : space;
        block = malloc(sizeof *block + space);
        if (!block) {
            arena->failed = true;
            return NULL;
        }
        block->size = space;
        block->used = 0;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memset(memory, 0, size);
}

const char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (!copy)
        return "";
    memcpy(copy, text, length);
    return copy;
}

const char *arena_string(struct arena *arena, const char *text)
{
    return text ? arena_copy(arena, text, strlen(text)) : "";
}

const char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const char *result = "";
    /* Mostly there is room for it: and then, as blocks are multiples of it, for its alignment. */
    struct arena_block *block = arena->blocks;
    size_t room = block ? block->size - block->used : 0;
    char *text = room ? (char *)block->data + block->used : NULL;
    int length = vsnprintf(text, room, format, arguments);
    if (block && length >= 0 && (size_t)length < room) {
        block->used += aligned((size_t)length + 1);
        result = text;
    } else {
        text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1);
        if (text && vsnprintf(text, (size_t)length + 1, format, again) == length)
            result = text;
        else
            arena->failed = true;
    }
    va_end(again);
    va_end(arguments);
    return result;
}

void arena_clear(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        explicit_bzero(block->data, block->used);
        free(block);
    }
    arena->failed = false;
}
