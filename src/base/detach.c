#include "base/detach.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/null_device.h"

#define VARIABLE "FLASHDUTY_GATEWAY_DETACHED"
#define VARIABLES_MAX 64

bool is_started_detached(void)
{
    return getenv(VARIABLE) != NULL;
}

/* What the configuration may come from; the rest is the request's, and holds its key. */
static bool is_kept(const char *entry)
{
    static const char *const prefixes[] = {
        "FLASHDUTY_GATEWAY_", "XDG_STATE_HOME=", "PATH=",         "HOME=",
        "ASAN_OPTIONS=",      "UBSAN_OPTIONS=",  "TSAN_OPTIONS=", "TMPDIR="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (!strncmp(entry, prefixes[i], strlen(prefixes[i])))
            return true;
    }
    return false;
}

static void start_again(void)
{
    sigset_t none;
    char variable[] = VARIABLE "=1", name[] = "flashduty-gateway-drain";
    char *environment[VARIABLES_MAX + 2], *arguments[] = {name, NULL};
    size_t count = 0;
    for (char **entry = environ; *entry && count < VARIABLES_MAX; entry++) {
        if (is_kept(*entry))
            environment[count++] = *entry;
    }
    environment[count++] = variable;
    environment[count] = NULL;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int null = null_device_open();
    for (int i = 0; i <= STDERR_FILENO; i++) {
        if (null < 0 || dup2(null, i) < 0)
            _exit(1);
    }
    (void)execve("/proc/self/exe", arguments, environment);
    /* A chroot may have no /proc. The path that this program was started by still holds: it has
     * never changed its folder. */
    (void)execve((const char *)getauxval(AT_EXECFN), arguments, environment);
    _exit(1);
}

void detach_and_start_again(void)
{
    pid_t child = fork();
    if (child == 0) {
        if (setsid() < 0 || fork() != 0)
            _exit(0);
        start_again();
    }
    if (child > 0)
        (void)waitpid(child, NULL, 0);
}
