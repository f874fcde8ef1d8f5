/*
 * What became of a message: every one that was received is in exactly one of these places, and the
 * ledger counts each. Of several, the least finished stands for all.
 */
#ifndef ALERT_OUTCOME_H
#define ALERT_OUTCOME_H

enum outcome {
    OUTCOME_QUEUED,     /* being sent, or waiting in the outbox */
    OUTCOME_CONFIRMING, /* a subscription whose confirmation is tried again */
    OUTCOME_REJECTED,   /* Flashduty refused it for good; kept to be replayed */
    OUTCOME_EXPIRED,    /* not accepted for so long that it is not tried any more; kept */
    OUTCOME_DROPPED,    /* taken out of the outbox by a person */
    OUTCOME_DELIVERED,  /* Flashduty has it */
    OUTCOME_CONFIRMED,
    OUTCOME_DUPLICATE, /* a repeat of a message that was taken before */
    OUTCOME_STALE,     /* older than what was taken for its alert before */
    OUTCOME_UNROUTED,  /* no route wants it */
    OUTCOME_IGNORED,   /* acknowledged: there is no alert in it */
    OUTCOME_REFUSED,   /* answered with an error: it is the sender's to try again or not */
    OUTCOME_COUNT
};

/* "queued", "confirming", … */
extern const char *const outcome_names[OUTCOME_COUNT];

#endif
