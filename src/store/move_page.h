/*
 * A page of a spool on its way to the database, which move.c moves. Internal to src/store.
 */
#ifndef STORE_MOVE_PAGE_H
#define STORE_MOVE_PAGE_H

#include "store/internal.h"

/* Others wait for the database as long as a page takes. */
#define PAGE 50
#define TOKEN_BYTES 16
enum moving_kind { MOVING_ALERT, MOVING_CONFIRMATION, MOVING_COUNTS };
enum count_kind { COUNT_PLACE, COUNT_COUNTER, COUNT_MOMENT, COUNT_SUBSCRIPTION };

struct moving_delivery {
    int64_t id;
    struct store_delivery delivery;
    int64_t created_ms, finished_ms, tries, rounds;
    const char *code, *message;
    struct store_try *made; /* the tries, in order */
    size_t made_count;
    bool has_died; /* whoever sent it last never said what became of that */
};

struct moving_alert {
    int64_t id;
    const char *token;
    struct store_event event; /* its destinations and routes are those of its deliveries */
    int64_t received_ms;
    bool is_promised, has_share;
    bool is_held;      /* a recovery that has yet to be taken in */
    bool is_overtaken; /* a later trigger of its alert was delivered */
    struct moving_delivery *deliveries;
    size_t delivery_count;
};

struct moving_confirmation {
    int64_t id;
    const char *token;
    struct store_confirmation confirmation;
    int64_t state, received_ms, due_ms, scheduled_ms, tries;
};

struct moving_count {
    enum count_kind kind;
    const char *name, *integration, *detail;
    int64_t value;
};

struct page {
    struct moving_alert *alerts;
    struct moving_confirmation *confirmations;
    struct moving_count *counts;
    size_t alert_count, confirmation_count, count_count;
    const char *counts_token;
    int64_t read_ms; /* by the clock of the spool, as all that is in it */
    bool more;       /* than this page, and could be moved */
    bool is_empty;   /* there is nothing in the spool at all */
};

struct page_job {
    struct job job;
    struct page page;
};

/* A job that reads the next page of a spool. NULL when out of memory. */
struct page_job *page_job_new(void);

/* Reads the deliveries of an alert, of which only the id need be known. */
void moving_read_deliveries(struct database *database, struct arena *arena,
                            struct moving_alert *alert) __attribute__((nonnull));

/* Where the ledger counts a confirmation in this state. */
enum outcome moving_outcome(int64_t state);

/* Writes a page that was read to the database, and takes the page's memory over: whoever writes it
 * may do so after we have stopped waiting. False if it is not known to be there. (move_write.c) */
bool moving_write(struct store *store, struct page_job *read) __attribute__((nonnull));

#endif
