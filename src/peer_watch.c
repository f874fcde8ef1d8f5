#include "peer_watch.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"

bool peer_watch_init(struct peer_watch *watch)
{
    watch->descriptor = -1;
    return !pthread_mutex_init(&watch->lock, NULL);
}

void peer_watch_clear(struct peer_watch *watch)
{
    pthread_mutex_destroy(&watch->lock);
}

void peer_watch_begin(struct peer_watch *watch, int connection, int64_t arrived_ms)
{
    /* libfcgi closes its own when it likes, and the number is used again. */
    int descriptor = fcntl(connection, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    pthread_mutex_lock(&watch->lock);
    watch->descriptor = descriptor;
    watch->arrived_ms = arrived_ms;
    pthread_mutex_unlock(&watch->lock);
}

void peer_watch_end(struct peer_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    int descriptor = watch->descriptor;
    watch->descriptor = -1;
    pthread_mutex_unlock(&watch->lock);
    if (descriptor >= 0)
        close(descriptor);
}

void peer_watch_look(struct peer_watch *watch, int64_t now_ms)
{
    pthread_mutex_lock(&watch->lock);
    if (watch->descriptor >= 0 && now_ms - watch->arrived_ms > RECEIVE_TIMEOUT_MS)
        shutdown(watch->descriptor, SHUT_RD);
    pthread_mutex_unlock(&watch->lock);
}
