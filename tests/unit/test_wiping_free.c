/* What the program's own free() and realloc() promise; the sanitizers' have no such promise. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

/* glibc chains free blocks by their first two words. */
#define CHAIN_BYTES (2 * sizeof(void *))

/* A block of letters; the compiler shall not think that nobody will read it. */
static void *volatile block;

static uintptr_t make_block(size_t size)
{
    block = malloc(size);
    assert_non_null(block);
    memset(block, 'k', size);
    return (uintptr_t)block;
}

/* How many letters stand in memory that may have been given back. */
static size_t letters_at(uintptr_t address, size_t size)
{
    char bytes[4096];
    size_t found = 0;
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    assert_true(memory >= 0);
    assert_int_equal(pread(memory, bytes, size, (off_t)address), size);
    close(memory);
    for (size_t i = 0; i < size; i++)
        found += bytes[i] == 'k';
    return found;
}

static void a_freed_block_holds_nothing(void **state)
{
    static const size_t sizes[] = {24, 100, 1000, 1100, 4000};
    (void)state;
    if (IS_SANITIZED)
        skip();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uintptr_t at = make_block(sizes[i]);
        assert_int_equal(letters_at(at, sizes[i]), sizes[i]);
        free(block);
        assert_int_equal(letters_at(at + CHAIN_BYTES, sizes[i] - CHAIN_BYTES), 0);
    }
}

static void a_block_that_moved_left_nothing_behind(void **state)
{
    (void)state;
    if (IS_SANITIZED)
        skip();
    uintptr_t at = make_block(1000);
    block = realloc(block, 100000);
    assert_non_null(block);
    assert_true((uintptr_t)block != at);
    assert_int_equal(letters_at(at + CHAIN_BYTES, 1000 - CHAIN_BYTES), 0);
    assert_int_equal(letters_at((uintptr_t)block, 1000), 1000);
    free(block);
}

static void what_a_block_holds_moves_with_it(void **state)
{
    static const size_t sizes[] = {1, 24, 25, 24, 100, 4000, 4001, 3000, 100, 24, 1, 300000, 8};
    size_t kept = 1;
    (void)state;
    block = realloc(NULL, 1);
    assert_non_null(block);
    *(char *)block = 'k';
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block = realloc(block, sizes[i]);
        assert_non_null(block);
        kept = kept < sizes[i] ? kept : sizes[i];
        assert_int_equal(letters_at((uintptr_t)block, kept), kept);
        kept = sizes[i] < 4096 ? sizes[i] : 4096;
        memset(block, 'k', sizes[i]);
    }
    free(block);
}

static void freeing_leaves_errno_alone(void **state)
{
    (void)state;
    make_block(10);
    errno = EDOM;
    free(block);
    free(NULL);
    assert_int_equal(errno, EDOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_freed_block_holds_nothing),
        cmocka_unit_test(a_block_that_moved_left_nothing_behind),
        cmocka_unit_test(what_a_block_holds_moves_with_it),
        cmocka_unit_test(freeing_leaves_errno_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
