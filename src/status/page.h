/*
 * The status page as it is written: its language, its words for times and numbers, its frame. Works
 * without a script, from one answer, at any path: links are queries alone. Internal to src/status.
 */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include "base/digest.h"
#include "status/html.h"
#include "status/visit.h"

struct page {
    struct visit *visit;
    struct text out;
    bool is_chinese;
    char token[SHA256_HEX_SIZE]; /* that a form has to bring back; "": nothing can be ordered */
};

/* The words in the visitor's language. */
const char *say(const struct page *page, const char *english, const char *chinese)
    __attribute__((nonnull));

/* Writes a template in the visitor's language; see html_put. */
void put(struct page *page, const char *english, const char *chinese, const char *const *values)
    __attribute__((nonnull));
/* The same for one that has no words. */
void put_html(struct page *page, const char *template, const char *const *values)
    __attribute__((nonnull));

/* Words that live in the visit's arena. */
const char *number_words(struct page *page, int64_t number) __attribute__((nonnull));
const char *duration_words(struct page *page, int64_t ms) __attribute__((nonnull));
/* "3 min ago" as an element with the moment in UTC; "–" for 0. For {!}. */
const char *moment_words(struct page *page, int64_t ms) __attribute__((nonnull));

/* "Critical" and "rejected" as badges, for {!}. */
const char *severity_badge(struct page *page, enum severity severity) __attribute__((nonnull));
const char *state_badge(struct page *page, enum delivery_state state) __attribute__((nonnull));
const char *state_words(const struct page *page, enum delivery_state state)
    __attribute__((nonnull));

/* Begins and ends the page; between them stands its main part. */
void page_begin(struct page *page, const char *title) __attribute__((nonnull));
void page_end(struct page *page) __attribute__((nonnull));

/* Answers with the page, or says that memory did not suffice. */
bool page_answer(struct page *page, int status) __attribute__((nonnull));

#endif
