/* The page's style sheet: one for light and dark, from phones to walls. */
#ifndef STATUS_STYLE_H
#define STATUS_STYLE_H

extern const char status_style[];

#endif
