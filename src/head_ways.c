#include "head_ways.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/write_all.h"

/* Fits into any pipe, and is many times what web servers send. */
#define PIPE_BYTES 4096

static void close_both(struct head_way way)
{
    if (way.out >= 0)
        close(way.out);
    if (way.in >= 0)
        close(way.in);
}

bool head_ways_init(struct head_ways *ways)
{
    ways->count = ways->lent = 0;
    return !pthread_mutex_init(&ways->lock, NULL) && !pthread_cond_init(&ways->returned, NULL);
}

void head_ways_clear(struct head_ways *ways)
{
    while (ways->count > 0)
        close_both(ways->free[--ways->count]);
    pthread_cond_destroy(&ways->returned);
    pthread_mutex_destroy(&ways->lock);
}

/* Waits for its turn; a pipe that is free, or none. */
static struct head_way begin(struct head_ways *ways, bool wants_pipe)
{
    struct head_way way = {-1, -1};
    pthread_mutex_lock(&ways->lock);
    while (ways->lent == HEAD_WAYS_MAX)
        pthread_cond_wait(&ways->returned, &ways->lock);
    ways->lent++;
    if (wants_pipe && ways->count > 0)
        way = ways->free[--ways->count];
    pthread_mutex_unlock(&ways->lock);
    return way;
}

/* Lets the next one have its turn. A pipe that is kept is not to be closed. */
static bool end(struct head_ways *ways, const struct head_way *pipe)
{
    pthread_mutex_lock(&ways->lock);
    ways->lent--;
    bool is_kept = pipe && ways->count < HEAD_WAYS_MAX;
    if (is_kept)
        ways->free[ways->count++] = *pipe;
    pthread_cond_signal(&ways->returned);
    pthread_mutex_unlock(&ways->lock);
    return is_kept;
}

static struct head_way make(bool wants_pipe)
{
    int ends[2];
    if (!wants_pipe)
        return (struct head_way){memfd_create("head", MFD_CLOEXEC), -1};
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK) ? (struct head_way){-1, -1}
                                               : (struct head_way){ends[0], ends[1]};
}

struct head_way head_ways_lend(struct head_ways *ways, const struct text *head)
{
    bool wants_pipe = head->length <= PIPE_BYTES;
    struct head_way way = begin(ways, wants_pipe);
    if (way.out < 0)
        way = make(wants_pipe);
    int target = way.in >= 0 ? way.in : way.out;
    if (target >= 0 && write_all(target, text_string(head), head->length) &&
        (way.in >= 0 || lseek(way.out, 0, SEEK_SET) == 0))
        return way;
    int reason = errno;
    close_both(way);
    (void)end(ways, NULL);
    errno = reason;
    return (struct head_way){-1, -1};
}

void head_ways_take_back(struct head_ways *ways, struct head_way way)
{
    if (!end(ways, way.in >= 0 ? &way : NULL))
        close_both(way);
}

void head_ways_drop(struct head_ways *ways, struct head_way way)
{
    if (way.in >= 0)
        close(way.in);
    (void)end(ways, NULL);
}
