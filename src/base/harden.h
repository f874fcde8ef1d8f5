/* What the process gives up at its start: dumping core, being read by others, gaining rights. */
#ifndef BASE_HARDEN_H
#define BASE_HARDEN_H

/* No core files, no reading of this process's memory (keys) by others of the same user, no rights
 * from set-user-ID programs. What the system does not know is left out. */
void harden_process(void);

#endif
