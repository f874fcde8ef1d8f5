/* Confirming a subscription: the GET that tells the vendor's console that this endpoint is wanted.
 */
#ifndef DELIVERY_CONFIRM_H
#define DELIVERY_CONFIRM_H

#include <stdbool.h>

#include "base/error.h"
#include "net/guarded_get.h"

/* Whether the console answers with the subscription it has made. On false ERROR_UNAVAILABLE says
 * why not, never with the URL. */
bool confirm_subscription(const struct guarded_get *get, struct error *error)
    __attribute__((nonnull));

#endif
