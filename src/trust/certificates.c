#include "trust/certificates.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/state_folder.h"
#include "base/write_all.h"
#include "net/guarded_get.h"
#include "vendors/smn_trust.h"

#define FRESH_S ((int64_t)24 * 3600)
#define STALE_S ((int64_t)7 * 24 * 3600)
#define ATTEMPT_S 60
#define SKEW_S 60 /* so far ahead, a time is another machine's; further, it says nothing */
#define ATTEMPTS_MAX 4
#define KEPT_MAX 64
#define HELD_MAX 1024
#define FETCH_LEAST_MS 100 /* less brings nothing, and would cost the one try of a minute */

struct certificates {
    char *ca_file;
    bool is_lasting;
    pthread_mutex_t fetching; /* one at a time in a process: the others find what it brought */

    pthread_mutex_t opening; /* guards what follows until it is opened */
    bool is_opened;
    int folder; /* descriptor; -1: none */
    char *private_path;
};

/* A name in the folder. */
struct entry {
    char name[SHA256_HEX_SIZE + 8];
};

static bool name_entry(struct entry *entry, const char *of, const char *suffix)
{
    char hex[SHA256_HEX_SIZE];
    if (!sha256_hex(of, strlen(of), hex))
        return false;
    snprintf(entry->name, sizeof entry->name, "%s%s", hex, suffix);
    return true;
}

struct certificates *certificates_new(bool is_lasting, const char *ca_file, struct error *error)
{
    struct certificates *certificates = calloc(1, sizeof *certificates);
    char *copy = strdup(ca_file);
    if (!certificates || !copy || pthread_mutex_init(&certificates->fetching, NULL) ||
        pthread_mutex_init(&certificates->opening, NULL)) {
        free(copy);
        free(certificates);
        error_out_of_memory(error);
        return NULL;
    }
    certificates->ca_file = copy;
    certificates->is_lasting = is_lasting;
    certificates->folder = -1;
    return certificates;
}

static void open_folder(struct certificates *certificates)
{
    char path[] = "/tmp/flashduty-gateway-XXXXXX";
    struct arena arena = {0};
    const char *folder = state_folder(&arena, "certificates");
    if (!folder && certificates->is_lasting && mkdtemp(path))
        folder = certificates->private_path = strdup(path);
    if (folder)
        certificates->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (certificates->folder < 0)
        log_event(LOG_WARNING, "there is no folder to keep certificates in", NULL);
    arena_clear(&arena);
}

static bool is_ready(struct certificates *certificates)
{
    pthread_mutex_lock(&certificates->opening);
    if (!certificates->is_opened)
        open_folder(certificates);
    certificates->is_opened = true;
    bool has_folder = certificates->folder >= 0;
    pthread_mutex_unlock(&certificates->opening);
    return has_folder;
}

/* Calls visit for every entry whose name ends with suffix. */
static void visit_entries(int folder, const char *suffix,
                          void (*visit)(int folder, const char *name, const struct stat *status,
                                        void *context),
                          void *context)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    struct stat status;
    if (!entries) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(entries));) {
        size_t length = strlen(entry->d_name), end = strlen(suffix);
        if (length > end && !strcmp(entry->d_name + length - end, suffix) &&
            !fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW))
            visit(folder, entry->d_name, &status, context);
    }
    closedir(entries);
}

static void remove_entry(int folder, const char *name, const struct stat *status, void *context)
{
    (void)status;
    (void)context;
    unlinkat(folder, name, 0);
}

void certificates_free(struct certificates *certificates)
{
    static const char *const suffixes[] = {".pem", ".attempt", ".held", ".new", ".lock"};
    if (!certificates)
        return;
    for (size_t i = 0; certificates->private_path && i < sizeof suffixes / sizeof *suffixes; i++)
        visit_entries(certificates->folder, suffixes[i], remove_entry, NULL);
    if (certificates->folder >= 0)
        close(certificates->folder);
    if (certificates->private_path)
        rmdir(certificates->private_path);
    pthread_mutex_destroy(&certificates->opening);
    pthread_mutex_destroy(&certificates->fetching);
    free(certificates->private_path);
    free(certificates->ca_file);
    free(certificates);
}

/* Seconds since a file was written; below zero for a time in the future, as after a clock was set
 * back. */
static int64_t age_of(const struct stat *status)
{
    return clock_wall_ms() / 1000 - status->st_mtim.tv_sec;
}

static bool is_recent(const struct stat *status, int64_t max_age_s)
{
    return age_of(status) >= -SKEW_S && age_of(status) < max_age_s;
}

/* ---- what is kept ---- */

/* How old a kept certificate may be. */
enum freshness { FRESH, STALE };

/* From the future it is not fresh, or it would never age, but goes on where no other can be had. */
static bool is_still(enum freshness freshness, const struct stat *status)
{
    return freshness == FRESH ? is_recent(status, FRESH_S) : age_of(status) < STALE_S;
}

static bool read_entry(int folder, const char *name, enum freshness freshness, struct text *content)
{
    char buffer[GUARDED_GET_BYTES_MAX];
    struct stat status;
    int descriptor = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0)
        return false;
    ssize_t count = -1;
    if (!fstat(descriptor, &status) && S_ISREG(status.st_mode) && is_still(freshness, &status))
        count = read(descriptor, buffer, sizeof buffer);
    close(descriptor);
    if (count > 0)
        text_append(content, buffer, (size_t)count);
    return count > 0 && !content->failed;
}

/* A kept certificate that is in force now. */
static bool take_kept(struct certificates *certificates, const char *name, enum freshness freshness,
                      struct text *pem)
{
    struct error ignored = {0};
    struct text kept = {0};
    bool is_usable = read_entry(certificates->folder, name, freshness, &kept) &&
                     smn_certificate_in_force(text_string(&kept), clock_wall_ms() / 1000, &ignored);
    if (is_usable)
        text_append(pem, text_string(&kept), kept.length);
    text_clear(&kept);
    return is_usable;
}

struct oldest {
    char name[SHA256_HEX_SIZE + 8];
    int64_t age_s;
    size_t count;
};

static void find_oldest(int folder, const char *name, const struct stat *status, void *context)
{
    struct oldest *oldest = context;
    (void)folder;
    oldest->count++;
    if (age_of(status) >= oldest->age_s && strlen(name) < sizeof oldest->name) {
        oldest->age_s = age_of(status);
        snprintf(oldest->name, sizeof oldest->name, "%s", name);
    }
}

/* Makes room for one more entry. */
static void prune(int folder, const char *suffix, size_t most)
{
    for (;;) {
        struct oldest oldest = {.age_s = INT64_MIN};
        visit_entries(folder, suffix, find_oldest, &oldest);
        if (oldest.count < most || !*oldest.name || unlinkat(folder, oldest.name, 0))
            return;
    }
}

/* Written beside and renamed, so that a reader never sees half of it. */
static bool keep(int folder, const char *name, const char *suffix, const struct text *content,
                 size_t most)
{
    struct entry beside;
    char unique[17];
    struct stat status;
    if (!random_hex((sizeof unique - 1) / 2, unique))
        return false;
    snprintf(beside.name, sizeof beside.name, "%s.new", unique);
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW))
        prune(folder, suffix, most);
    int descriptor = openat(folder, beside.name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return false;
    bool is_written = write_all(descriptor, text_string(content), content->length);
    is_written = !close(descriptor) && is_written;
    if (is_written && !renameat(folder, beside.name, folder, name))
        return true;
    unlinkat(folder, beside.name, 0);
    return false;
}

/* ---- fetching ---- */

static void count_attempt(int folder, const char *name, const struct stat *status, void *context)
{
    size_t *recent = context;
    if (is_recent(status, ATTEMPT_S))
        (*recent)++;
    else
        unlinkat(folder, name, 0);
}

/* Takes one of the tries there are; shared with other processes by a lock on the folder. */
static bool may_fetch(int folder, const char *attempt, struct error *error)
{
    size_t recent = 0;
    struct stat status;
    bool may = false;
    int lock = openat(folder, "tries.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX)) {
        error_set(error, ERROR_UNAVAILABLE, "the folder of certificates cannot be written");
        goto out;
    }
    visit_entries(folder, ".attempt", count_attempt, &recent);
    if (!fstatat(folder, attempt, &status, AT_SYMLINK_NOFOLLOW))
        error_set(error, ERROR_UNAVAILABLE, "it was tried less than a minute ago");
    else if (recent >= ATTEMPTS_MAX)
        error_set(error, ERROR_UNAVAILABLE, "%d certificates were fetched within a minute",
                  ATTEMPTS_MAX);
    else {
        int mark = openat(folder, attempt, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        may = mark >= 0;
        if (may)
            close(mark);
        else
            error_set(error, ERROR_UNAVAILABLE, "the folder of certificates cannot be written");
    }
out:
    if (lock >= 0)
        close(lock);
    return may;
}

static bool fetch(struct certificates *certificates, const char *url, bool private_network,
                  int64_t timeout_ms, struct text *pem, struct error *error)
{
    struct entry attempt, kept;
    struct text body = {0};
    if (timeout_ms < FETCH_LEAST_MS)
        return error_set(error, ERROR_UNAVAILABLE, "no time is left to fetch it");
    const struct guarded_get get = {
        .url = url,
        .ca_file = certificates->ca_file,
        .private_network = private_network,
        .timeout_ms = timeout_ms < CERTIFICATE_TIMEOUT_MS ? timeout_ms : CERTIFICATE_TIMEOUT_MS,
    };
    bool is_fetched = name_entry(&attempt, url, ".attempt") && name_entry(&kept, url, ".pem") &&
                      may_fetch(certificates->folder, attempt.name, error) &&
                      guarded_get(&get, &body, error) &&
                      smn_certificate_in_force(text_string(&body), clock_wall_ms() / 1000, error);
    if (is_fetched) {
        text_append(pem, text_string(&body), body.length);
        if (!keep(certificates->folder, kept.name, ".pem", &body, KEPT_MAX))
            log_event(LOG_WARNING, "a fetched certificate could not be kept", "reason",
                      strerror(errno), NULL);
    }
    text_clear(&body);
    return is_fetched;
}

/* A fetched one, or what another thread has fetched meanwhile; else a stale one. */
static bool renew(struct certificates *certificates, const char *url, bool private_network,
                  int64_t timeout_ms, const char *kept, struct text *pem, struct error *error)
{
    int64_t start_ms = clock_monotonic_ms();
    pthread_mutex_lock(&certificates->fetching);
    timeout_ms -= clock_monotonic_ms() - start_ms;
    bool is_had = take_kept(certificates, kept, FRESH, pem) ||
                  fetch(certificates, url, private_network, timeout_ms, pem, error) ||
                  take_kept(certificates, kept, STALE, pem);
    pthread_mutex_unlock(&certificates->fetching);
    return is_had;
}

bool certificates_get(struct certificates *certificates, const char *url, bool private_network,
                      int64_t timeout_ms, struct text *pem, struct error *error)
{
    struct entry kept;
    struct error cause = {0};
    if (!is_ready(certificates))
        return error_set(error, ERROR_UNAVAILABLE, "there is no folder to keep it in");
    if (!name_entry(&kept, url, ".pem"))
        return error_out_of_memory(error);
    bool is_had = take_kept(certificates, kept.name, FRESH, pem) ||
                  renew(certificates, url, private_network, timeout_ms, kept.name, pem, &cause);
    if (is_had && !pem->failed)
        return true;
    if (is_had || !cause.code)
        return error_out_of_memory(error);
    return error_set(error, ERROR_UNAVAILABLE, "%s", cause.text);
}

/* ---- names that have verified ---- */

bool certificates_is_held(struct certificates *certificates, const char *file)
{
    struct entry entry;
    struct stat status;
    return is_ready(certificates) && name_entry(&entry, file, ".held") &&
           !fstatat(certificates->folder, entry.name, &status, AT_SYMLINK_NOFOLLOW);
}

void certificates_hold(struct certificates *certificates, const char *file)
{
    struct entry entry;
    struct text content = {0};
    if (!is_ready(certificates) || certificates_is_held(certificates, file) ||
        !name_entry(&entry, file, ".held"))
        return;
    text_puts(&content, file);
    keep(certificates->folder, entry.name, ".held", &content, HELD_MAX);
    text_clear(&content);
}
