/* RE2 itself, for comparison. */
#ifndef TESTS_FUZZ_RE2_REFERENCE_H
#define TESTS_FUZZ_RE2_REFERENCE_H

#ifdef __cplusplus
extern "C" {
#endif

/* 1: the expression is found in the text, 0: it is not, -1: RE2 refuses it, -2: it would need too
 * much memory. */
int re2_find(const char *pattern, const char *text);

#ifdef __cplusplus
}
#endif

#endif
