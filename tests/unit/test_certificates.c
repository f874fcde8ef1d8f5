#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/state_folder.h"
#include "trust/certificates.h"

#define URL "https://127.0.0.1/smn/SMN_cn-north-4_0.pem"

static char folder[] = "/tmp/test_certificates.XXXXXX";
static struct arena arena;

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? setenv("XDG_STATE_HOME", folder, 1) : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    int status = system(arena_printf(&arena, "rm -rf %s", folder));
    arena_clear(&arena);
    return status;
}

/* Whether URL was tried. */
static bool is_tried(void)
{
    char hex[SHA256_HEX_SIZE];
    assert_true(sha256_hex(URL, strlen(URL), hex));
    const char *within = state_folder(&arena, "certificates");
    return !access(arena_printf(&arena, "%s/%s.attempt", within, hex), F_OK);
}

/* As behind another's fetch that took all the time there was: the one try of a minute is for
 * somebody who has time for it. */
static void without_time_nothing_is_tried(void **state)
{
    struct error error = {0};
    struct text pem = {0};
    struct certificates *certificates = certificates_new(false, "", &error);
    (void)state;
    assert_non_null(certificates);
    for (int64_t timeout_ms = -99; timeout_ms < 100; timeout_ms += 99) {
        error = (struct error){0};
        assert_false(certificates_get(certificates, URL, false, timeout_ms, &pem, &error));
        assert_int_equal(error.code, ERROR_UNAVAILABLE);
        assert_non_null(strstr(error.text, "no time"));
        assert_false(is_tried());
    }
    error = (struct error){0};
    assert_false(certificates_get(certificates, URL, false, 1000, &pem, &error));
    assert_non_null(strstr(error.text, "not public"));
    assert_true(is_tried());
    certificates_free(certificates);
    text_clear(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_time_nothing_is_tried),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
