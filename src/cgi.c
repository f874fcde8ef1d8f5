#include "cgi.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/write_all.h"

/* A body that is refused for its length is read this far, for the answer's sake. */
#define DRAIN_BYTES_MAX ((size_t)64 * 1024 * 1024)

static const char *environment_variable(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

static ssize_t read_standard_input(void *context, char *buffer, size_t size)
{
    const int64_t *deadline_ms = context;
    for (;;) {
        int64_t left_ms = *deadline_ms - clock_monotonic_ms();
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&input, 1, left_ms > 0 ? (int)left_ms : 0);
        if (ready == 0)
            return -1;
        ssize_t count = ready < 0 ? -1 : read(STDIN_FILENO, buffer, size);
        if (count >= 0 || (errno != EINTR && errno != EAGAIN))
            return count;
    }
}

/* Apache hands a CGI program one socket for both directions: closed with a body unread, it would
 * take the answer with it. */
static void drain_standard_input(const struct request *request, int64_t *deadline_ms)
{
    char buffer[16384];
    size_t left =
        request->declared_length < DRAIN_BYTES_MAX ? request->declared_length : DRAIN_BYTES_MAX;
    left -= request->body_length < left ? request->body_length : left;
    while (left > 0) {
        ssize_t count =
            read_standard_input(deadline_ms, buffer, left < sizeof buffer ? left : sizeof buffer);
        if (count <= 0)
            return;
        left -= (size_t)count;
    }
}

/* A client that has its answer goes, and some web servers then end the program: what is to be done
 * after the answer is done all the same. */
static void block_endings(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigset_t endings;
    sigemptyset(&endings);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&endings, signals[i]);
    (void)pthread_sigmask(SIG_BLOCK, &endings, NULL);
}

int cgi_serve(const struct server *server)
{
    struct request request;
    struct response response = {0};
    struct text out = {0};
    int64_t now_ms = clock_monotonic_ms(), deadline_ms = now_ms + RECEIVE_TIMEOUT_MS;
    const struct request_source source = {environment_variable, read_standard_input, &deadline_ms,
                                          false};
    request_receive(&request, &source, now_ms, server->limits(server->context).max_body_bytes);
    if (request.error.code == ERROR_TOO_LARGE)
        drain_standard_input(&request, &deadline_ms);
    server->handle(server->context, &request, &response);
    response_write(&response, &out);
    block_endings();
    bool written = !out.failed && write_all(STDOUT_FILENO, text_string(&out), out.length);
    text_clear(&out);
    text_clear(&response.body);
    request_clear(&request);
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
