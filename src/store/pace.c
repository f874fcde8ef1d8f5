#include <string.h>

#include "base/limits.h"
#include "store/internal.h"

/*
 * Flashduty's limits of a key, in sliding windows: of its sends, numbered, the oldest within a
 * window says how many it holds. The windows are a little longer than Flashduty's, because a send
 * that was reserved later may arrive earlier.
 */
#define SECOND_MS (1000 + 200)
#define MINUTE_MS (60000 + 500)
/* Two processes read their clocks before they wait for the lock: their times may be out of order by
 * this much. What is later still comes from before the machine was started. */
#define DISORDER_MS 5000

static int64_t free_of(int64_t first, int64_t last, long rate)
{
    int64_t used = first ? last - first + 1 : 0;
    return used < rate ? rate - used : 0;
}

int64_t pace_free(struct database *database, const struct store_limits *limits, const char *key)
{
    int64_t now_ms = database_steady_ms(database), is_free = INT64_MAX;
    if (limits->rate_per_second == 0 && limits->rate_per_minute == 0)
        return is_free;
    database_run(database, "DELETE FROM send WHERE flashduty_key = ?1 AND at_steady_ms > ?2", "ti",
                 key, now_ms + DISORDER_MS);
    /* The latest, and the first of each window. */
    struct rows rows =
        database_query(database,
                       "SELECT (SELECT number FROM send WHERE flashduty_key = ?1"
                       " ORDER BY at_steady_ms DESC, number DESC LIMIT 1),"
                       " (SELECT number FROM send WHERE flashduty_key = ?1 AND at_steady_ms > ?2"
                       " ORDER BY at_steady_ms, number LIMIT 1),"
                       " (SELECT number FROM send WHERE flashduty_key = ?1 AND at_steady_ms > ?3"
                       " ORDER BY at_steady_ms, number LIMIT 1)",
                       "tii", key, now_ms - SECOND_MS, now_ms - MINUTE_MS);
    bool is_read = rows_next(&rows);
    int64_t last = is_read ? rows_number(&rows, 0) : 0;
    int64_t first[] = {is_read ? rows_number(&rows, 1) : 0, is_read ? rows_number(&rows, 2) : 0};
    rows_end(&rows);
    if (limits->rate_per_second > 0)
        is_free = free_of(first[0], last, limits->rate_per_second);
    if (limits->rate_per_minute > 0) {
        int64_t in_minute = free_of(first[1], last, limits->rate_per_minute);
        is_free = in_minute < is_free ? in_minute : is_free;
    }
    return is_free;
}

/* In order, though the clock may not be. */
void pace_take(struct database *database, const struct store_limits *limits, const char *key)
{
    int64_t now_ms = database_steady_ms(database);
    if (limits->rate_per_second == 0 && limits->rate_per_minute == 0)
        return;
    database_run(database,
                 "INSERT INTO send VALUES (?1, coalesce((SELECT max(at_steady_ms) FROM send"
                 " WHERE flashduty_key = ?1 AND at_steady_ms > ?2), ?2), coalesce((SELECT number"
                 " FROM send WHERE flashduty_key = ?1 ORDER BY at_steady_ms DESC, number DESC"
                 " LIMIT 1), 0) + 1)",
                 "ti", key, now_ms);
    database_run(database, "DELETE FROM send WHERE flashduty_key = ?1 AND at_steady_ms < ?2", "ti",
                 key, now_ms - MINUTE_MS);
}

/* ---- what is known of a key ---- */

struct destination_state destination_read(struct database *database, const char *key)
{
    struct destination_state destination = {0};
    int64_t now_ms = database_steady_ms(database);
    struct rows rows = database_query(database,
                                      "SELECT failures, probe_steady_ms, hold_steady_ms,"
                                      " accepted_ms FROM destination WHERE flashduty_key = ?1",
                                      "t", key);
    if (rows_next(&rows))
        destination =
            (struct destination_state){rows_number(&rows, 0), false, rows_number(&rows, 1),
                                       rows_number(&rows, 2), rows_number(&rows, 3)};
    rows_end(&rows);
    destination.is_failing = destination.failures >= FAILURES_MAX;
    /* Times that lie further ahead than any that is set come from before the machine started. */
    if (destination.probe_steady_ms > now_ms + PROBE_MS)
        destination.probe_steady_ms = 0;
    if (destination.hold_steady_ms <= now_ms ||
        destination.hold_steady_ms > now_ms + (int64_t)RETRY_AFTER_S_MAX * 1000)
        destination.hold_steady_ms = 0;
    return destination;
}

bool destination_is_known(struct database *database, const char *key, int64_t now_ms)
{
    return destination_read(database, key).accepted_ms >= now_ms - KNOWN_KEY_DAYS * DAY_MS;
}
