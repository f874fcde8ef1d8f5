#include "serve.h"

#include <errno.h>
#include <fcgiapp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "records.h"

/* Silence within a head: what a web server sends in one piece. Within a body: a client's pause. */
#define HEAD_SILENCE_S 1
#define BODY_SILENCE_S 5
#define SEND_SILENCE_S 5

bool serve_is_cgi(void)
{
    /* How long it waits for the peer to close a connection that was not read to its end. */
    setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "500", 0);
    return FCGX_IsCGI();
}

bool serving_init(struct serving *serving, const struct server *server)
{
    serving->server = server;
    if (!workers_init(&serving->workers, server->workers))
        return false;
    if (head_ways_init(&serving->ways))
        return true;
    workers_clear(&serving->workers);
    return false;
}

void serving_clear(struct serving *serving)
{
    head_ways_clear(&serving->ways);
    workers_clear(&serving->workers);
}

/* What a request is read from: its parameters, then its body. */
struct peer {
    FCGX_Request *request;
    struct records *records;
};

static const char *parameter(void *context, const char *name)
{
    const struct peer *peer = context;
    return FCGX_GetParam(name, peer->request->envp);
}

static ssize_t read_body(void *context, char *buffer, size_t size)
{
    const struct peer *peer = context;
    return records_read_body(peer->records, buffer, size);
}

static void set_silence(int connection, int option, int seconds)
{
    struct timeval timeout = {.tv_sec = seconds};
    setsockopt(connection, SOL_SOCKET, option, &timeout, sizeof timeout);
}

/* Returns whether the body was read to its end. */
static bool answer(struct serving *serving, struct peer *peer, int64_t arrived_ms,
                   struct peer_watch *watch)
{
    const struct server *server = serving->server;
    const struct request_source source = {parameter, read_body, peer, true};
    const struct server_limits limits = server->limits(server->context);
    struct request request;
    struct response response = {0};
    struct text out = {0};
    request_receive(&request, &source, arrived_ms, limits.max_body_bytes);
    peer_watch_end(watch);
    bool has_place = workers_enter(&serving->workers, arrived_ms + limits.patience_ms);
    if (!has_place)
        error_set(&request.error, ERROR_UNAVAILABLE, "all workers = %d are busy", server->workers);
    server->handle(server->context, &request, &response);
    if (has_place)
        workers_leave(&serving->workers);
    response_write(&response, &out);
    if (!out.failed && out.length <= INT_MAX)
        FCGX_PutStr(text_string(&out), (int)out.length, peer->request->out);
    bool is_drained = request.is_drained;
    text_clear(&out);
    text_clear(&response.body);
    request_clear(&request);
    return is_drained;
}

/* Reads the head, and lets libfcgi have it: it reads only to the end of that. */
static bool read_head(struct head_ways *ways, struct records *records, FCGX_Request *request)
{
    struct text head = {0};
    struct head_way way = {-1, -1};
    bool is_read = records_read_head(records, &head);
    if (is_read)
        way = head_ways_lend(ways, &head);
    if (is_read && way.out < 0)
        log_event(LOG_ERROR, "a request cannot be read", "reason", strerror(errno), NULL);
    text_clear(&head);
    /* No listening socket: after a role that is none libfcgi would accept from it by itself. */
    FCGX_InitRequest(request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
    request->ipcFd = way.out;
    request->keepConnection = 1;
    if (way.out < 0 || FCGX_Accept_r(request) < 0) {
        FCGX_Free(request, 1);
        if (way.out >= 0)
            head_ways_drop(ways, way);
        return false;
    }
    head_ways_take_back(ways, way);
    request->ipcFd = records->descriptor;
    return true;
}

/* The connection is never kept: it would hold a thread until the peer sends its next request. */
void serve_connection(struct serving *serving, int connection, int64_t arrived_ms,
                      struct peer_watch *watch)
{
    FCGX_Request request;
    struct records records;
    struct peer peer = {&request, &records};
    bool is_drained = false;
    peer_watch_begin(watch, connection, arrived_ms);
    set_silence(connection, SO_RCVTIMEO, HEAD_SILENCE_S);
    set_silence(connection, SO_SNDTIMEO, SEND_SILENCE_S);
    records_init(&records, connection);
    if (!read_head(&serving->ways, &records, &request)) {
        records_clear(&records);
        peer_watch_end(watch);
        close(connection);
        return;
    }
    set_silence(connection, SO_RCVTIMEO, BODY_SILENCE_S);
    if (FCGX_GetParam("REQUEST_METHOD", request.envp))
        is_drained = answer(serving, &peer, arrived_ms, watch);
    peer_watch_end(watch);
    records_clear(&records);
    request.keepConnection = 1;
    FCGX_Finish_r(&request);
    if (is_drained)
        FCGX_Detach(&request);
    FCGX_Free(&request, 1);
}
