#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"

#define SHA256_BYTES 32
#define RANDOM_BYTES_AT_ONCE 64
/* Digits of a request's identifier: until the year 10889. */
#define REQUEST_ID_TIME 12

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

bool hmac_hex(const void *key, size_t length, const char *text, char out[static SHA256_HEX_SIZE])
{
    unsigned char digest[SHA256_BYTES];
    unsigned size = sizeof digest;
    out[0] = '\0';
    if (!HMAC(EVP_sha256(), key, (int)length, (const unsigned char *)text, strlen(text), digest,
              &size))
        return false;
    to_hex(digest, sizeof digest, out);
    return true;
}

/* Linux before 3.17 has no getrandom(2). */
static ssize_t random_bytes(unsigned char *bytes, size_t count)
{
    ssize_t got = getrandom(bytes, count, 0);
    if (got >= 0 || errno != ENOSYS)
        return got;
    int device = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (device < 0)
        return -1;
    got = read(device, bytes, count);
    close(device);
    return got;
}

bool random_hex(size_t count, char *out)
{
    unsigned char bytes[RANDOM_BYTES_AT_ONCE];
    char *end = out;
    *end = '\0';
    while (count > 0) {
        ssize_t got = random_bytes(bytes, count < sizeof bytes ? count : sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            *out = '\0';
            break;
        }
        to_hex(bytes, (size_t)got, end);
        end += 2 * (size_t)got;
        count -= (size_t)got;
    }
    explicit_bzero(bytes, sizeof bytes);
    return count == 0;
}

bool request_id_make(char id[static REQUEST_ID_SIZE])
{
    char time[REQUEST_ID_TIME + 1];
    uint64_t ms = (uint64_t)clock_wall_ms() & ((UINT64_C(1) << 4 * REQUEST_ID_TIME) - 1);
    if (!random_hex((REQUEST_ID_SIZE - 1) / 2, id))
        return false;
    (void)snprintf(time, sizeof time, "%0*" PRIx64, REQUEST_ID_TIME, ms);
    memcpy(id, time, REQUEST_ID_TIME);
    return true;
}

bool secret_equal(const char *a, const char *b)
{
    size_t length = strlen(a);
    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}
