/*
 * What nodes have sent without knowing of one another may have reached Flashduty in the wrong
 * order: it is sent again, so that what is open there in the end is what is open. Internal to
 * src/store.
 */
#ifndef STORE_MEND_H
#define STORE_MEND_H

#include "store/intake.h"

/* When Flashduty took something that a spool has sent, by the database's clock: between these. */
struct mend_time {
    int64_t earliest_ms, latest_ms;
};

/* Of a trigger that was delivered to somewhere and is the newest of its alert: recoveries that wait
 * are given up. Returns whether one may have been delivered after it, or is under way: then the
 * alert is closed, and the trigger has to be sent again. */
bool mend_is_closed(const struct intake *in, const struct store_delivery *delivery,
                    const struct mend_time *at) __attribute__((nonnull));

/* Of a trigger that was delivered, or may have been, although its alert has recovered since: if it
 * may have come after the recovery, that is sent again. Returns whether it is. */
bool mend_close_again(const struct intake *in, const struct store_delivery *delivery,
                      const struct mend_time *at) __attribute__((nonnull));

/* Of an event that Flashduty has accepted once more, from somebody whose lease had ended: what is
 * newest of its alert is sent again if that is something else. Returns whether it is. */
bool mend_after_late(struct database *database, const struct store_limits *limits,
                     struct arena *arena, int64_t delivery_id) __attribute__((nonnull));

#endif
