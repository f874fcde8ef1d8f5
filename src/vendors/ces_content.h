/* What people see of a CES alert: title, description and labels. */
#ifndef VENDORS_CES_CONTENT_H
#define VENDORS_CES_CONTENT_H

#include "alert/alert.h"
#include "vendors/ces_message.h"

/* The same for an alarm and its end: no state and no current value. */
void ces_set_title(struct alert *alert, const struct ces_message *message) __attribute__((nonnull));

void ces_set_description(struct alert *alert, const struct ces_message *message)
    __attribute__((nonnull));

/* In the order of their worth: the last ones go where there are more than an alert takes.
 * unmapped_level is the word for a level that no table knows, or "". */
void ces_add_labels(struct alert *alert, const struct ces_message *message,
                    const char *unmapped_level) __attribute__((nonnull));

#endif
