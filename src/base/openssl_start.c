#include "base/openssl_start.h"

#include <openssl/crypto.h>

/* A tenth of what a request by plain CGI costs: the texts of errors, which nobody reads, and giving
 * back memory piece by piece that ends with the process. */
#define LEFT_OUT (OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ATEXIT)

/* The host's openssl.cnf is for the host's OpenSSL, and may name modules of that. */
#ifdef STATIC_BUILD
#define CONFIGURATION OPENSSL_INIT_NO_LOAD_CONFIG
#else
#define CONFIGURATION 0
#endif

void openssl_start(void)
{
    (void)OPENSSL_init_crypto(LEFT_OUT | CONFIGURATION, NULL);
}
