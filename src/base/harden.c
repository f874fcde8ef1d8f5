#include "base/harden.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void harden_process(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
#ifndef __SANITIZE_ADDRESS__
    /* The leak check of the address sanitizer reads the process as a debugger does. */
    (void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
#endif
}
