/* Where an alert goes: an integration of Flashduty's, and by which way that was chosen. */
#ifndef ALERT_DESTINATION_H
#define ALERT_DESTINATION_H

struct destination {
    const char *name; /* of the route, one for each destination; "" is the default route's */
    const char *flashduty_key;
};

#endif
