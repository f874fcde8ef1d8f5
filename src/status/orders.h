/* What a visitor may order by a form: to retry deliveries, to send a test alert. */
#ifndef STATUS_ORDERS_H
#define STATUS_ORDERS_H

#include "status/page.h"

/* Carries out the order that was posted, and answers with where to look (303). */
bool orders_take(struct visit *visit) __attribute__((nonnull));

/* Writes what came of it, if that is what the query says. */
void orders_put_note(struct page *page) __attribute__((nonnull));

#endif
