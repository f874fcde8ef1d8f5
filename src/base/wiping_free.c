/*
 * Memory that is given back is wiped first, whoever gives it back: keys pass through the buffers of
 * libfcgi, libcurl and libconfig, which wipe nothing and have no hooks for it, or not for all.
 * As this is the program's own free(), the libraries use it, too; it hands on to the one that it
 * stands before. (glibc's M_PERTURB does not reach small blocks: those of a thread's cache.)
 * The static build has only one of each; there the linker leads every call of all libraries here
 * (--wrap).
 *
 * Not under the sanitizers, which bring their own.
 */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef void (*free_function)(void *memory);

#ifdef STATIC_BUILD

/* The linker's names. */
#define free __wrap_free
#define realloc __wrap_realloc
void free(void *memory);
void *realloc(void *memory, size_t size);
void __real_free(void *memory);

static free_function next_free(void)
{
    return __real_free;
}

#else

/* The free() that would be used without this one: libc's, or that of a preloaded allocator. NULL
 * while it is looked up, which may itself free something. */
static free_function next_free(void)
{
    static _Atomic(free_function) next;
    static _Thread_local bool is_looking_up;
    free_function found = atomic_load_explicit(&next, memory_order_relaxed);
    if (found || is_looking_up)
        return found;
    is_looking_up = true;
    *(void **)&found = dlsym(RTLD_NEXT, "free");
    is_looking_up = false;
    atomic_store_explicit(&next, found, memory_order_relaxed);
    return found;
}

#endif

void free(void *memory)
{
    int number = errno;
    free_function next = memory ? next_free() : NULL;
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    if (next)
        next(memory);
    errno = number;
}

/* libc's own would leave a copy behind when it moves a block. */
void *realloc(void *memory, size_t size)
{
    size_t old = memory ? malloc_usable_size(memory) : 0;
    if (memory && size == 0) {
        free(memory);
        return NULL;
    }
    if (memory && size <= old && size >= old / 2)
        return memory;
    void *moved = malloc(size);
    if (moved && memory) {
        memcpy(moved, memory, old < size ? old : size);
        free(memory);
    }
    return moved;
}

#endif
