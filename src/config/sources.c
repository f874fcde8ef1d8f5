#include "config/sources.h"

#include <string.h>
#include <sys/stat.h>

/* ctime moves with every change of content, owner or permissions. */
struct look {
    bool is_there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed, modified;
};

struct config_source {
    const char *path;
    struct look look;
    struct config_source *next;
};

static struct look look_at(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct look){0};
    return (struct look){true,           status.st_dev,  status.st_ino,
                         status.st_size, status.st_ctim, status.st_mtim};
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct look *a, const struct look *b)
{
    return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && is_same_time(&a->changed, &b->changed) &&
           is_same_time(&a->modified, &b->modified);
}

void config_sources_note(struct config_sources *sources, const char *path)
{
    struct config_source *source = arena_alloc(&sources->arena, sizeof *source);
    if (!source)
        return;
    *source =
        (struct config_source){arena_string(&sources->arena, path), look_at(path), sources->first};
    sources->first = source;
}

bool config_sources_have_changed(const struct config_sources *sources)
{
    for (const struct config_source *source = sources->first; source; source = source->next) {
        const struct look now = look_at(source->path);
        if (!is_same(&now, &source->look))
            return true;
    }
    return false;
}

void config_sources_clear(struct config_sources *sources)
{
    arena_clear(&sources->arena);
    sources->first = NULL;
}
