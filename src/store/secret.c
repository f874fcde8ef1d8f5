#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "store/internal.h"

struct secret_job {
    struct job job;
    char fresh[2 * STORE_SECRET_BYTES + 1], found[2 * STORE_SECRET_BYTES + 1];
};

static void run_secret(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    struct secret_job *secret = (struct secret_job *)job;
    (void)limits;
    database_run(database, "INSERT INTO secret VALUES ('store', ?1) ON CONFLICT (name) DO NOTHING",
                 "t", secret->fresh);
    struct rows rows =
        database_query(database, "SELECT value FROM secret WHERE name = 'store'", "");
    if (rows_next(&rows))
        (void)snprintf(secret->found, sizeof secret->found, "%s", rows_text(&rows, 0));
    rows_end(&rows);
}

bool store_secret(struct store *store, unsigned char secret[static STORE_SECRET_BYTES])
{
    struct secret_job *job = job_new(sizeof *job, run_secret);
    bool is_random = job && getrandom(secret, STORE_SECRET_BYTES, 0) == STORE_SECRET_BYTES;
    for (size_t i = 0; i < STORE_SECRET_BYTES && is_random; i++)
        (void)snprintf(&job->fresh[2 * i], 3, "%02x", secret[i]);
    bool has_worked = is_random && job_run(store, &job->job);
    for (size_t i = 0; i < STORE_SECRET_BYTES && has_worked; i++) {
        const char digits[] = {job->found[2 * i], job->found[2 * i + 1], '\0'};
        char *end;
        secret[i] = (unsigned char)strtoul(digits, &end, 16);
        has_worked = end == &digits[2];
    }
    job_free(store, job ? &job->job : NULL);
    return has_worked;
}
