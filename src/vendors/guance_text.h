/*
 * What people wrote into a Guance monitor: Markdown, with the HTML of chat tools and with mentions
 * of members, whose names belong to nobody outside.
 */
#ifndef VENDORS_GUANCE_TEXT_H
#define VENDORS_GUANCE_TEXT_H

#include "base/arena.h"
#include "base/json.h"

/* Text with <br> as a line break, without <font>, and without "@NAME" of the people whom the
 * event's own member lists name. Markdown stays. */
const char *guance_plain(struct arena *arena, const char *text, const cJSON *event)
    __attribute__((nonnull(1, 2)));

#endif
