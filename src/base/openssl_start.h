/* What OpenSSL leaves out in this program. */
#ifndef BASE_OPENSSL_START_H
#define BASE_OPENSSL_START_H

/* At the start of a process, before anything else of OpenSSL. Without it all works, slower. */
void openssl_start(void);

#endif
