#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/digest.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void hashes_the_vectors_of_fips_180(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char hex[SHA256_HEX_SIZE];
        assert_true(sha256_hex(cases[i].text, strlen(cases[i].text), hex));
        assert_string_equal(hex, cases[i].hex);
    }
}

static void hashes_bytes_behind_a_nul(void **state)
{
    char first[SHA256_HEX_SIZE], second[SHA256_HEX_SIZE];
    (void)state;
    assert_true(sha256_hex("a\0b", 3, first));
    assert_true(sha256_hex("a\0c", 3, second));
    assert_string_not_equal(first, second);
}

static void random_hex_is_hex_of_the_length_asked_for(void **state)
{
    static const size_t counts[] = {0, 1, 16, 63, 64, 65, 500};
    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        char hex[1024];
        memset(hex, '!', sizeof hex);
        assert_true(random_hex(counts[i], hex));
        assert_int_equal(strlen(hex), 2 * counts[i]);
        assert_int_equal(strspn(hex, "0123456789abcdef"), 2 * counts[i]);
        assert_int_equal(hex[2 * counts[i] + 1], '!');
    }
}

static void random_hex_never_comes_twice(void **state)
{
    char ids[100][REQUEST_ID_SIZE];
    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_true(random_hex(REQUEST_ID_SIZE / 2, ids[i]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

static void ids_of_requests_rise_with_the_time(void **state)
{
    char first[REQUEST_ID_SIZE], same_time[REQUEST_ID_SIZE], later[REQUEST_ID_SIZE];
    char before[REQUEST_ID_SIZE];
    (void)state;
    snprintf(before, sizeof before, "%012llx", (unsigned long long)clock_wall_ms());
    assert_true(request_id_make(first) && request_id_make(same_time));
    assert_string_not_equal(first, same_time);
    assert_int_equal(strlen(first), REQUEST_ID_SIZE - 1);
    assert_int_equal(strspn(first, "0123456789abcdef"), REQUEST_ID_SIZE - 1);
    assert_true(strcmp(before, first) < 0);
    const struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    assert_true(request_id_make(later));
    assert_true(strcmp(first, later) < 0);
}

static void secrets_are_equal_if_every_byte_is(void **state)
{
    static const struct {
        const char *a, *b;
        bool are_equal;
    } cases[] = {
        {"", "", true},
        {"secret", "secret", true},
        {"secret", "Secret", false},
        {"secret", "secre", false},
        {"secret", "secret ", false},
        {"secret", "", false},
        {"", "secret", false},
        {"a-key-longer-than-one-block-of-the-hash-0123456789-0123456789-0123456789",
         "a-key-longer-than-one-block-of-the-hash-0123456789-0123456789-0123456789", true},
        {"a-key-longer-than-one-block-of-the-hash-0123456789-0123456789-0123456789",
         "a-key-longer-than-one-block-of-the-hash-0123456789-0123456789-0123456788", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(secret_equal(cases[i].a, cases[i].b), cases[i].are_equal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_the_vectors_of_fips_180),
        cmocka_unit_test(hashes_bytes_behind_a_nul),
        cmocka_unit_test(random_hex_is_hex_of_the_length_asked_for),
        cmocka_unit_test(random_hex_never_comes_twice),
        cmocka_unit_test(ids_of_requests_rise_with_the_time),
        cmocka_unit_test(secrets_are_equal_if_every_byte_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
