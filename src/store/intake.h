/* Steps of taking an event in, which receiving and moving share. Internal to src/store. */
#ifndef STORE_INTAKE_H
#define STORE_INTAKE_H

#include "store/internal.h"

/* An event while it is taken in. */
struct intake {
    struct database *database;
    const struct store_limits *limits;
    struct arena *arena;
    struct store_event *event;
    int64_t now_ms, lease_ms;
    int64_t time_s; /* the vendor's time if it says which event is newer; else 0 */
    int64_t rank;
    int64_t alert_id;
    size_t *sends_left; /* that the request may begin */
};

/* Whether something newer of its alert was taken. */
bool intake_is_stale(const struct intake *in) __attribute__((nonnull));

/* Fills in the event's deliveries: a recovery goes where its trigger went, whatever the routes say
 * by now. */
void intake_choose_destinations(struct intake *in) __attribute__((nonnull));

/* Critical first, then Warning, Info, and recoveries of each. */
int64_t intake_rank(const struct intake *in) __attribute__((nonnull));

/* Puts down what is known of the alert from now on. */
void intake_remember_state(struct intake *in) __attribute__((nonnull));

/* The delivery that has to be over before this one begins; 0 if there is none, AFTER_HELD if it is
 * held. */
int64_t intake_predecessor(const struct intake *in, const struct store_delivery *delivery)
    __attribute__((nonnull));

/* An alert key ranks as its highest waiting event. */
void intake_raise_rank(const struct intake *in, const struct store_delivery *delivery)
    __attribute__((nonnull));

#endif
