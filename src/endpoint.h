/* The program of an endpoint: start, serve, end. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "vendors/vendor.h"

/* main() of a vendor's endpoint. Never looks at argv: web servers pass query words there. */
int endpoint_main(const struct vendor *vendor) __attribute__((nonnull));

/* That of the status page's. */
int endpoint_status_main(void);

#endif
