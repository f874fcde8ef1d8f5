/* The status endpoint: what a person on call, or a program that watches, sees of the gateway. */
#ifndef STATUS_STATUS_H
#define STATUS_STATUS_H

#include "gateway.h"

/* Answers one request. context: a struct gateway without a vendor. */
void status_handle(void *context, struct request *request, struct response *response)
    __attribute__((nonnull));

#endif
