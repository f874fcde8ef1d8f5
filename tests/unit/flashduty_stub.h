/*
 * A Flashduty on 127.0.0.1 that answers as a test says, and puts down what came. Included once a
 * test program, before storing.h.
 */
#ifndef TESTS_FLASHDUTY_STUB_H
#define TESTS_FLASHDUTY_STUB_H

#include "loopback.h"

#define HITS_MAX 1024

/* What it does with a request. */
enum stub_does { STUB_ACCEPTS, STUB_REJECTS, STUB_FAILS, STUB_HOLDS_OFF, STUB_HANGS, STUB_IS_SLOW };

struct hit {
    char flashduty_key[64], alert_key[64], status[16];
    int64_t at_ms;
};

static struct {
    pthread_mutex_t mutex;
    enum stub_does script[8]; /* for the first requests */
    size_t scripted, place;
    enum stub_does then; /* for those after them */
    char only[64];       /* of this key; others are accepted. "": any */
    struct hit hits[HITS_MAX];
    size_t count;
    atomic_int under_way, most_under_way;
} stub = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static inline void stub_copy(char *out, size_t size, const char *request, const char *before,
                             const char *end)
{
    const char *begin = strstr(request, before);
    size_t length = 0;
    if (begin)
        length = strcspn(begin + strlen(before), end);
    if (length >= size)
        length = size - 1;
    if (begin)
        memcpy(out, begin + strlen(before), length);
    out[length] = '\0';
}

static inline enum stub_does stub_note(struct server *server)
{
    static char request[sizeof server->last_request];
    pthread_mutex_lock(&server->mutex);
    pthread_mutex_lock(&stub.mutex);
    memcpy(request, server->last_request, sizeof request);
    struct hit *hit = &stub.hits[stub.count < HITS_MAX - 1 ? stub.count++ : stub.count];
    stub_copy(hit->flashduty_key, sizeof hit->flashduty_key, request, "integration_key=", " &\r");
    stub_copy(hit->alert_key, sizeof hit->alert_key, request, "\"alert_key\":\"", "\"");
    stub_copy(hit->status, sizeof hit->status, request, "\"event_status\":\"", "\"");
    hit->at_ms = clock_monotonic_ms();
    enum stub_does does = STUB_ACCEPTS;
    if (!*stub.only || !strcmp(stub.only, hit->flashduty_key))
        does = stub.place < stub.scripted ? stub.script[stub.place++] : stub.then;
    pthread_mutex_unlock(&stub.mutex);
    pthread_mutex_unlock(&server->mutex);
    return does;
}

static inline bool stub_say(int connection, const char *head, const char *body)
{
    char answer[512];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", head,
             strlen(body), body);
    return send_text(connection, answer);
}

static inline bool stub_answer(struct server *server, int connection, int n)
{
    static const char fault[] = "{\"request_id\":\"r\",\"error\":{\"code\":\"InternalError\"}}";
    static const char wrong[] = "{\"request_id\":\"r\",\"error\":{\"code\":\"InvalidParameter\","
                                "\"message\":\"told so\"}}";
    static const char good[] = "{\"request_id\":\"r\",\"data\":{}}";
    enum stub_does does = stub_note(server);
    bool goes_on = false;
    int under_way = ++stub.under_way;
    if (under_way > stub.most_under_way)
        stub.most_under_way = under_way;
    switch (does) {
    case STUB_ACCEPTS:
        goes_on = stub_say(connection, "200 OK", good);
        break;
    case STUB_REJECTS:
        goes_on = stub_say(connection, "400 Bad Request", wrong);
        break;
    case STUB_FAILS:
        goes_on = stub_say(connection, "500 Internal Server Error", fault);
        break;
    case STUB_HOLDS_OFF:
        goes_on = stub_say(connection, "429 Too Many Requests\r\nRetry-After: 30", fault);
        break;
    case STUB_IS_SLOW:
        sleep_ms(400);
        goes_on = stub_say(connection, "200 OK", good);
        break;
    case STUB_HANGS:
        goes_on = answer_never(server, connection, n);
        break;
    }
    stub.under_way--;
    return goes_on;
}

static inline void stub_then(enum stub_does then)
{
    pthread_mutex_lock(&stub.mutex);
    stub.then = then;
    pthread_mutex_unlock(&stub.mutex);
}

static inline void stub_first(enum stub_does first, enum stub_does then)
{
    pthread_mutex_lock(&stub.mutex);
    stub.script[0] = first;
    stub.scripted = 1;
    stub.place = 0;
    stub.then = then;
    pthread_mutex_unlock(&stub.mutex);
}

static inline void stub_reset(void)
{
    pthread_mutex_lock(&stub.mutex);
    stub.scripted = stub.place = stub.count = 0;
    stub.then = STUB_ACCEPTS;
    stub.only[0] = '\0';
    stub.most_under_way = 0;
    pthread_mutex_unlock(&stub.mutex);
}

static inline size_t stub_count(void)
{
    pthread_mutex_lock(&stub.mutex);
    size_t count = stub.count;
    pthread_mutex_unlock(&stub.mutex);
    return count;
}

static inline struct hit stub_hit(size_t i)
{
    pthread_mutex_lock(&stub.mutex);
    struct hit hit = stub.hits[i];
    pthread_mutex_unlock(&stub.mutex);
    return hit;
}

#endif
