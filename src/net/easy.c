#include "net/easy.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include <openssl/x509_vfy.h>

#include "base/limits.h"

/* Load balancers close idle connections after 60 s and more; a POST must not race with that. */
#define IDLE_MAX_S 50L
/* A bundle that was replaced on disk is taken up after this. */
#define CA_CACHE_S 3600L

struct number {
    CURLoption option;
    long value;
};

static const struct number common_numbers[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_PROXY_SSL_VERIFYPEER, 1},
    {CURLOPT_PROXY_SSL_VERIFYHOST, 2},
    {CURLOPT_MAXAGE_CONN, IDLE_MAX_S},
    {CURLOPT_TCP_KEEPALIVE, 1},
    /* Made for each transfer and wiped whole after it, however little was in them. */
    {CURLOPT_UPLOAD_BUFFERSIZE, 16384},
    {CURLOPT_BUFFERSIZE, 4096},
    /* Without it, giving up on a name waits for the resolver. */
    {CURLOPT_QUICK_EXIT, 1},
};

static const struct {
    CURLcode code;
    const char *text;
} failures[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, "the URL's scheme is not allowed, or its server speaks no HTTP"},
    {CURLE_URL_MALFORMAT, "the URL is malformed"},
    {CURLE_COULDNT_RESOLVE_PROXY, "the proxy's host name could not be resolved"},
    {CURLE_COULDNT_RESOLVE_HOST, "the host name could not be resolved"},
    {CURLE_COULDNT_CONNECT, "could not connect"},
    {CURLE_WEIRD_SERVER_REPLY, "the answer was no HTTP"},
    {CURLE_PARTIAL_FILE, "the connection was closed in the middle of the answer"},
    {CURLE_OUT_OF_MEMORY, "out of memory"},
    {CURLE_SSL_CONNECT_ERROR, "the TLS handshake failed"},
    {CURLE_GOT_NOTHING, "the connection was closed without an answer"},
    {CURLE_SEND_ERROR, "the connection broke while the request was sent"},
    {CURLE_RECV_ERROR, "the connection broke before the answer was complete"},
    {CURLE_PROXY, "the proxy refused the connection"},
};

/* GnuTLS makes itself ready in every process that loads it, and Debian's libcurl does, for
 * protocols that are not spoken here: a millisecond of processor time, and a megabyte. Whoever
 * wants it all the same can begin with gnutls_global_init(). (The function that GnuTLS asks, by its
 * own name: see GNUTLS_SKIP_GLOBAL_INIT in gnutls/gnutls.h.) */
int gnutls_is_left_out(void) __asm__("_gnutls_global_init_skip");
int gnutls_is_left_out(void)
{
    return 1;
}

static bool is_prepared;

static void prepare(void)
{
    is_prepared = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

bool easy_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    return pthread_once(&once, prepare) == 0 && is_prepared;
}

/* libcurl takes 0 for "no limit". */
static long bounded(int64_t ms, int64_t most)
{
    if (ms > most)
        ms = most;
    return ms < 1 ? 1 : (long)ms;
}

static CURLcode set_numbers(CURL *easy, const struct number *numbers, size_t count)
{
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < count && code == CURLE_OK; i++)
        code = curl_easy_setopt(easy, numbers[i].option, numbers[i].value);
    return code;
}

/* One store of certificates, the other one NULL: libcurl presets both on some systems, and with a
 * folder it does not cache the bundle. */
static CURLcode set_strings(CURL *easy, const struct easy_settings *settings)
{
    const struct {
        CURLoption option;
        const char *value;
    } strings[] = {
        {CURLOPT_URL, settings->url},
        {CURLOPT_PROTOCOLS_STR, settings->protocols},
        {CURLOPT_REDIR_PROTOCOLS_STR, "https"},
        {CURLOPT_DEFAULT_PROTOCOL, "https"},
        {CURLOPT_USERAGENT, "flashduty-gateway/" VERSION},
        {CURLOPT_PROXY, settings->proxy},
        {CURLOPT_NOPROXY, settings->no_proxy},
        {CURLOPT_CAINFO, settings->certificates.file},
        {CURLOPT_CAPATH, settings->certificates.folder},
        {CURLOPT_PROXY_CAINFO, settings->certificates.file},
        {CURLOPT_PROXY_CAPATH, settings->certificates.folder},
    };
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < sizeof strings / sizeof *strings && code == CURLE_OK; i++)
        code = curl_easy_setopt(easy, strings[i].option, strings[i].value);
    return code;
}

CURLcode easy_new(const struct easy_settings *settings, CURL **easy)
{
    const struct number timeouts[] = {
        {CURLOPT_TIMEOUT_MS, bounded(settings->timeout_ms, INT_MAX)},
        {CURLOPT_CONNECTTIMEOUT_MS, bounded(settings->timeout_ms, CONNECT_TIMEOUT_MS)},
    };
    *easy = curl_easy_init();
    if (!*easy)
        return CURLE_OUT_OF_MEMORY;
    CURLcode code =
        set_numbers(*easy, common_numbers, sizeof common_numbers / sizeof *common_numbers);
    if (code == CURLE_OK)
        code = set_numbers(*easy, timeouts, sizeof timeouts / sizeof *timeouts);
    if (code == CURLE_OK)
        code = set_strings(*easy, settings);
    if (code == CURLE_OK)
        code = curl_easy_setopt(*easy, CURLOPT_OPENSOCKETFUNCTION, easy_open_socket);
    /* Only faster; not every TLS library of libcurl has it. */
    (void)curl_easy_setopt(*easy, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
    if (code != CURLE_OK) {
        curl_easy_cleanup(*easy);
        *easy = NULL;
    }
    return code;
}

curl_socket_t easy_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void describe_timeout(CURL *easy, const struct easy_settings *settings, char *out,
                             size_t size)
{
    curl_off_t resolved = 0, ready = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    (void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    const char *phase = ready      ? "waiting for the answer"
                        : resolved ? "connecting"
                                   : "resolving the host name";
    (void)snprintf(out, size, "timed out after %ld ms while %s",
                   bounded(settings->timeout_ms, ready ? INT_MAX : CONNECT_TIMEOUT_MS), phase);
}

/* libcurl compares the host itself, after OpenSSL has found nothing wrong with the chain. */
static void describe_certificate(CURL *easy, char *out, size_t size)
{
    static const CURLINFO peers[] = {CURLINFO_SSL_VERIFYRESULT, CURLINFO_PROXY_SSL_VERIFYRESULT};
    const char *reason = "it is for another host";
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        long result = X509_V_OK;
        (void)curl_easy_getinfo(easy, peers[i], &result);
        if (result != X509_V_OK && result != X509_V_ERR_UNSPECIFIED)
            reason = X509_verify_cert_error_string(result);
    }
    (void)snprintf(out, size, "the certificate could not be verified: %s", reason);
}

static void describe_store(const struct certificate_store *store, char *out, size_t size)
{
    const char *path = store->file ? store->file : store->folder;
    (void)snprintf(out, size, "the CA certificates could not be read: %s", path ? path : "none");
}

static const char *failure_text(CURLcode code)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        if (failures[i].code == code)
            return failures[i].text;
    }
    return NULL;
}

void easy_describe(CURL *easy, CURLcode code, const struct easy_settings *settings, char *out,
                   size_t size)
{
    long proxy_status = 0;
    const char *text = failure_text(code);
    if (easy)
        (void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (code == CURLE_OPERATION_TIMEDOUT)
        describe_timeout(easy, settings, out, size);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        describe_certificate(easy, out, size);
    else if (code == CURLE_SSL_CACERT_BADFILE)
        describe_store(&settings->certificates, out, size);
    else if (proxy_status >= 300)
        (void)snprintf(out, size, "the proxy refused the connection with HTTP status %ld",
                       proxy_status);
    else if (text)
        (void)snprintf(out, size, "%s%s", text,
                       code == CURLE_COULDNT_CONNECT && *settings->proxy ? " to the proxy" : "");
    else
        (void)snprintf(out, size, "libcurl error %d", (int)code);
}
