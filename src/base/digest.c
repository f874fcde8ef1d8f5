#include "base/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#define SHA256_BYTES 32
#define RANDOM_BYTES_MAX 64

static void to_hex(const unsigned char *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

bool sha256_hex(const void *bytes, size_t length, char out[static SHA256_HEX_SIZE])
{
    unsigned char digest[SHA256_BYTES];
    out[0] = '\0';
    if (EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    to_hex(digest, sizeof digest, out);
    return true;
}

bool random_hex(size_t count, char *out)
{
    unsigned char bytes[RANDOM_BYTES_MAX];
    size_t filled = 0;
    out[0] = '\0';
    while (filled < count && count <= sizeof bytes) {
        ssize_t more = getrandom(bytes + filled, count - filled, 0);
        if (more < 0 && errno != EINTR)
            return false;
        filled += more > 0 ? (size_t)more : 0;
    }
    if (filled < count)
        return false;
    to_hex(bytes, count, out);
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

bool secret_equal(const char *a, const char *b)
{
    unsigned char of_a[SHA256_BYTES], of_b[SHA256_BYTES];
    bool is_equal = EVP_Digest(a, strlen(a), of_a, NULL, EVP_sha256(), NULL) == 1 &&
                    EVP_Digest(b, strlen(b), of_b, NULL, EVP_sha256(), NULL) == 1 &&
                    CRYPTO_memcmp(of_a, of_b, sizeof of_a) == 0;
    explicit_bzero(of_a, sizeof of_a);
    explicit_bzero(of_b, sizeof of_b);
    return is_equal;
}
