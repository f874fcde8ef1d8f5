/*
 * What every libcurl handle of the gateway has in common, and libcurl's errors in plain words.
 * For the files of this folder only.
 */
#ifndef NET_EASY_H
#define NET_EASY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "net/certificate_store.h"

struct easy_settings {
    const char *url;
    const char *protocols; /* "https", or "http,https" */
    const char *proxy;     /* "": none, whatever the environment says */
    const char *no_proxy;  /* hosts that are reached without it */
    struct certificate_store certificates;
    int64_t timeout_ms; /* connecting: CONNECT_TIMEOUT_MS at most */
};

/* Initializes libcurl, once a process; before anything else of it. */
bool easy_prepare(void);

/* Makes a handle; the caller adds what is its own. *easy is NULL unless the result is CURLE_OK. */
CURLcode easy_new(const struct easy_settings *settings, CURL **easy) __attribute__((nonnull));

/* The handle's own way to open a socket: not inherited by other programs. */
curl_socket_t easy_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
    __attribute__((nonnull(3)));

/* Why a transfer failed, without URL or key. easy may be NULL when easy_new failed. */
void easy_describe(CURL *easy, CURLcode code, const struct easy_settings *settings, char *out,
                   size_t size) __attribute__((nonnull(3, 4)));

#endif
