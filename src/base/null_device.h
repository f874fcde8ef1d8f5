/* What reads as empty and swallows what is written. */
#ifndef BASE_NULL_DEVICE_H
#define BASE_NULL_DEVICE_H

/* A new descriptor of /dev/null, for reading and writing, inherited by other programs; where a
 * chroot has none, of a file in memory. -1 with errno. */
int null_device_open(void);

#endif
