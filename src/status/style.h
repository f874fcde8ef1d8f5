/* The page's style sheet: one for light and dark, from phones to walls. */
#ifndef STATUS_STYLE_H
#define STATUS_STYLE_H

/* Its parts in order, NULL at the end. */
extern const char *const status_style[];

#endif
