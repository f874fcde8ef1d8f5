/* Going on after the answer, under plain CGI: web servers end what stays in their process group, or
 * wait for it. */
#ifndef BASE_DETACH_H
#define BASE_DETACH_H

#include <stdbool.h>

/* Starts this program again, in a session of its own, with nothing of the request in its
 * environment and its descriptors on /dev/null. Neither handles nor threads would survive a fork
 * alone. What cannot be started is left: whoever comes next does its work. */
void detach_and_start_again(void);

/* Whether this process was started so. */
bool is_started_detached(void);

#endif
