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

/* Why a message was refused. */
enum refusal {
    REFUSAL_KEY,          /* its key is not known */
    REFUSAL_SIGNATURE,    /* its signature, certificate or topic is not right */
    REFUSAL_PAYLOAD,      /* it is not what its vendor sends, or has no key */
    REFUSAL_SIZE,         /* its body is too large */
    REFUSAL_CONTENT_TYPE, /* it is text or a form */
    REFUSAL_UNAVAILABLE,  /* it cannot be judged now */
    /* Those from here on are of messages with the right key and signature. */
    REFUSAL_FULL,     /* the outbox is full */
    REFUSAL_UNKEPT,   /* Flashduty did not accept it in time, and it could not be kept */
    REFUSAL_REJECTED, /* Flashduty refused it for good, and nothing is kept of it */
    REFUSAL_COUNT
};

/* "key", "signature", … */
extern const char *const refusal_names[REFUSAL_COUNT];

#endif
