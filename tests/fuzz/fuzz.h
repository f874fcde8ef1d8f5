/* For every fuzz target: the entry, and what a target checks with. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static inline void must_be_utf8(const char *string)
{
    for (size_t left = strlen(string), length; left > 0; left -= length, string += length) {
        length = utf8_sequence(string, left);
        MUST(length > 0);
    }
}

/* FNV-1a. */
static inline uint64_t hash_of(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash;
}

/* A word to plant where nothing may come out of. It is made of the input, so that the input holds
 * it in no form, and the fuzzer cannot learn it. */
#define CANARY_SIZE 18

static inline void make_canary(const uint8_t *data, size_t size, char canary[static CANARY_SIZE])
{
    snprintf(canary, CANARY_SIZE, "k%016llx", (unsigned long long)hash_of(data, size));
}

#endif
