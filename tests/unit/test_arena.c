#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static struct arena arena;

static int clear_arena(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        unsigned char *memory = arena_alloc(&arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xa5, size);
    }
    assert_false(arena.failed);
}

static void pieces_do_not_overlap(void **state)
{
    unsigned char *pieces[200];
    (void)state;
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(&arena, i * 7);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(pieces[i][j], i);
    }
}

static void takes_pieces_larger_than_a_block(void **state)
{
    (void)state;
    const char *small = arena_string(&arena, "small");
    unsigned char *large = arena_alloc(&arena, 1 << 20);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    assert_string_equal(arena_string(&arena, "after"), "after");
    assert_string_equal(small, "small");
}

static void copies_strings(void **state)
{
    char buffer[] = "changing";
    (void)state;
    const char *copy = arena_string(&arena, buffer);
    const char *part = arena_copy(&arena, buffer, 6);
    buffer[0] = 'X';
    assert_string_equal(copy, "changing");
    assert_string_equal(part, "changi");
    assert_string_equal(arena_copy(&arena, buffer, 0), "");
    assert_string_equal(arena_string(&arena, ""), "");
    assert_string_equal(arena_string(&arena, NULL), "");
    assert_memory_equal(arena_copy(&arena, "a\0b", 3), "a\0b", 4);
    assert_false(arena.failed);
}

/* Whatever is left of a block, and what comes next is zeroed and aligned. */
static void prints_at_the_end_of_a_block(void **state)
{
    (void)state;
    char expected[200];
    for (int length = 0; length < 160; length++) {
        for (size_t used = 1900; used <= 2048; used += 4) {
            arena_clear(&arena);
            memset(arena_alloc(&arena, used), 1, used);
            const char *text = arena_printf(&arena, "%*s", length, "");
            unsigned char *next = arena_alloc(&arena, 32);
            snprintf(expected, sizeof expected, "%*s", length, "");
            assert_int_equal((uintptr_t)next % _Alignof(max_align_t), 0);
            memset(next, 1, 32);
            assert_string_equal(text, expected);
        }
    }
    assert_false(arena.failed);
}

static void prints_what_is_longer_than_a_block(void **state)
{
    (void)state;
    assert_string_equal(arena_printf(&arena, "%s-%03d%%", "x", 7), "x-007%");
    assert_string_equal(arena_printf(&arena, "%s", ""), "");
    const char *wide = arena_printf(&arena, "%50000d", 1);
    assert_int_equal(strlen(wide), 50000);
    assert_false(arena.failed);
}

static void a_failure_is_remembered_and_safe_to_read(void **state)
{
    (void)state;
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_true(arena.failed);
    assert_string_equal(arena_string(&arena, "later"), "later");
    assert_true(arena.failed);
    arena_clear(&arena);
    assert_false(arena.failed);
    assert_string_equal(arena_copy(&arena, "x", SIZE_MAX - 1), "");
    assert_true(arena.failed);
}

static void can_be_used_again_after_it_was_cleared(void **state)
{
    (void)state;
    arena_clear(&arena);
    assert_string_equal(arena_string(&arena, "one"), "one");
    arena_clear(&arena);
    arena_clear(&arena);
    assert_null(arena.blocks);
    assert_string_equal(arena_string(&arena, "two"), "two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_arena, clear_arena)
        TEST(memory_is_zeroed_and_aligned),
        TEST(pieces_do_not_overlap),
        TEST(takes_pieces_larger_than_a_block),
        TEST(copies_strings),
        TEST(prints_at_the_end_of_a_block),
        TEST(prints_what_is_longer_than_a_block),
        TEST(a_failure_is_remembered_and_safe_to_read),
        TEST(can_be_used_again_after_it_was_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
