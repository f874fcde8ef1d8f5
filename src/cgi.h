/* Plain CGI: one request, from the environment and standard input. */
#ifndef CGI_H
#define CGI_H

#include "server.h"

/* Reads the process's request, has it handled and writes the answer; from then on the process is
 * not ended by signals that ask. Returns the process's exit status: a failure if the answer could
 * not be written. */
int cgi_serve(const struct server *server) __attribute__((nonnull));

#endif
