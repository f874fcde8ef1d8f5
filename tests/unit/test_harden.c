#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/harden.h"

/* In a child: what is given up cannot be taken back. */
static int harden_a_child(void)
{
    struct rlimit core;
    harden_process();
    if (getrlimit(RLIMIT_CORE, &core) || core.rlim_cur != 0 || core.rlim_max != 0)
        return 1;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1)
        return 2;
#ifndef __SANITIZE_ADDRESS__
    if (prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L) != 0)
        return 3;
#endif
    return 0;
}

static void a_process_dumps_no_core_and_gains_no_rights(void **state)
{
    int status = -1;
    pid_t child = fork();
    (void)state;
    if (child == 0)
        _exit(harden_a_child());
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_dumps_no_core_and_gains_no_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
