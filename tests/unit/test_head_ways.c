#include "head_ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct head_ways ways;

static int begin(void **state)
{
    (void)state;
    return head_ways_init(&ways) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    head_ways_clear(&ways);
    return 0;
}

/* Reads it as libfcgi does, and checks that nothing follows. */
static void assert_holds(struct head_way way, const struct text *head)
{
    char bytes[300000];
    size_t length = 0;
    ssize_t count;
    while (length < head->length && (count = read(way.out, bytes + length, 8192)) > 0)
        length += (size_t)count;
    assert_int_equal(length, head->length);
    assert_memory_equal(bytes, text_string(head), length);
    assert_true(read(way.out, bytes, 1) <= 0);
}

static struct text head_of(size_t length)
{
    struct text head = {0};
    for (size_t i = 0; i < length; i++)
        text_putc(&head, (char)('a' + i % 26));
    return head;
}

static void a_head_of_any_length_is_read_whole(void **state)
{
    static const size_t lengths[] = {8, 900, 4096, 4097, 65536, 262144, 8};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct text head = head_of(lengths[i]);
        struct head_way way = head_ways_lend(&ways, &head);
        assert_true(way.out >= 0);
        assert_holds(way, &head);
        head_ways_take_back(&ways, way);
        text_clear(&head);
    }
}

static void a_pipe_is_used_again(void **state)
{
    struct text head = head_of(500);
    (void)state;
    struct head_way first = head_ways_lend(&ways, &head), second = head_ways_lend(&ways, &head);
    assert_int_not_equal(first.out, second.out);
    assert_holds(first, &head);
    assert_holds(second, &head);
    head_ways_take_back(&ways, first);
    head_ways_take_back(&ways, second);
    struct head_way third = head_ways_lend(&ways, &head);
    assert_int_equal(third.out, second.out);
    assert_holds(third, &head);
    head_ways_take_back(&ways, third);
    text_clear(&head);
}

/* What was read in part must not stand before the next head. */
static void one_that_was_not_read_is_not_used_again(void **state)
{
    struct text head = head_of(500), next = head_of(20);
    (void)state;
    struct head_way way = head_ways_lend(&ways, &head);
    assert_int_equal(close(way.out), 0);
    head_ways_drop(&ways, way);
    way = head_ways_lend(&ways, &next);
    assert_holds(way, &next);
    head_ways_take_back(&ways, way);
    text_clear(&head);
    text_clear(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_of_any_length_is_read_whole),
        cmocka_unit_test(a_pipe_is_used_again),
        cmocka_unit_test(one_that_was_not_read_is_not_used_again),
    };
    return cmocka_run_group_tests_name("head_ways", tests, begin, end);
}
