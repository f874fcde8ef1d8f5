/* The page for people. */
#ifndef STATUS_VIEW_H
#define STATUS_VIEW_H

#include "status/visit.h"

/* Answers with the page that the query asks for, or carries out what a form orders. */
bool view_answer(struct visit *visit) __attribute__((nonnull));

#endif
