#include "head_ways.h"

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
    ways->count = 0;
    return pthread_mutex_init(&ways->lock, NULL) == 0;
}

void head_ways_clear(struct head_ways *ways)
{
    while (ways->count > 0)
        close_both(ways->free[--ways->count]);
    pthread_mutex_destroy(&ways->lock);
}

static struct head_way take_pipe(struct head_ways *ways)
{
    struct head_way way = {-1, -1};
    int ends[2];
    pthread_mutex_lock(&ways->lock);
    if (ways->count > 0)
        way = ways->free[--ways->count];
    pthread_mutex_unlock(&ways->lock);
    if (way.out < 0 && !pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        way = (struct head_way){ends[0], ends[1]};
    return way;
}

static struct head_way make_file(void)
{
    return (struct head_way){memfd_create("head", MFD_CLOEXEC), -1};
}

struct head_way head_ways_lend(struct head_ways *ways, const struct text *head)
{
    struct head_way way = head->length <= PIPE_BYTES ? take_pipe(ways) : make_file();
    int target = way.in >= 0 ? way.in : way.out;
    if (target >= 0 && write_all(target, text_string(head), head->length) &&
        (way.in >= 0 || lseek(way.out, 0, SEEK_SET) == 0))
        return way;
    close_both(way);
    return (struct head_way){-1, -1};
}

void head_ways_take_back(struct head_ways *ways, struct head_way way)
{
    bool is_kept = false;
    pthread_mutex_lock(&ways->lock);
    if (way.in >= 0 && ways->count < HEAD_WAYS_MAX) {
        ways->free[ways->count++] = way;
        is_kept = true;
    }
    pthread_mutex_unlock(&ways->lock);
    if (!is_kept)
        close_both(way);
}

void head_ways_drop(struct head_way way)
{
    if (way.in >= 0)
        close(way.in);
}
