/*
 * What the tests of the network share: servers on 127.0.0.1 that misbehave on command, TLS servers
 * (the openssl command), and a resolver that hangs. Included once a test program.
 */
#ifndef TESTS_LOOPBACK_H
#define TESTS_LOOPBACK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define CONNECTIONS_MAX 512
#define HANG_MS 2000

extern char **environ;

static inline void sleep_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

#define assert_within_ms(since_ms, least, most) \
    assert_in_range(clock_monotonic_ms() - (since_ms), (least), (most))

/* The resolver: "two.invalid" is 127.0.0.2 and 127.0.0.1, "both.invalid" ::1 and 127.0.0.1; for
 * "hang.invalid" it hangs, as one does whose servers are silent. libcurl finds this one before the
 * C library's. */

static atomic_int hanging;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    if (name && (!strcmp(name, "two.invalid") || !strcmp(name, "both.invalid"))) {
        int code = real(*name == 't' ? "127.0.0.2" : "::1", service, hints, result);
        return code ? code : real("127.0.0.1", service, hints, &(*result)->ai_next);
    }
    if (!name || strcmp(name, "hang.invalid") != 0)
        return real(name, service, hints, result);
    hanging++;
    sleep_ms(HANG_MS);
    hanging--;
    return EAI_NONAME;
}

/* The threads of libcurl that were left behind free their memory when they return. */
static inline void await_resolvers(void)
{
    while (hanging)
        sleep_ms(20);
    sleep_ms(100);
}

/* A plain server: a thread that accepts, and one for every connection. */

struct server;

/* Answers request number n of the server; false ends the connection. */
typedef bool answer_function(struct server *server, int connection, int n);

struct server {
    int listener, port;
    answer_function *answer;
    char raw[512]; /* for answer_raw */
    atomic_int connections, requests, open;
    pthread_t thread;
    pthread_mutex_t mutex;
    int sockets[CONNECTIONS_MAX];
    char last_request[8192];
};

struct server_connection {
    struct server *server;
    int index, socket;
};

/* Port 0: any, which *port then is. */
static inline int listen_on(in_addr_t host, int backlog, int *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr.s_addr = htonl(host)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(listen(listener, backlog), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

static inline int listen_on_loopback(int backlog, int *port)
{
    *port = 0;
    return listen_on(INADDR_LOOPBACK, backlog, port);
}

/* A listener that answers no more, because nobody takes the connections that wait for it. */

enum { FILLERS = 4 };

struct black_hole {
    int listener, fillers[FILLERS];
};

static inline struct black_hole black_hole_open(in_addr_t host, int *port)
{
    struct black_hole hole = {.listener = listen_on(host, 0, port)};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr.s_addr = htonl(host)};
    for (int i = 0; i < FILLERS; i++) {
        hole.fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(hole.fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    return hole;
}

static inline void black_hole_close(struct black_hole *hole)
{
    for (int i = 0; i < FILLERS; i++)
        close(hole->fillers[i]);
    close(hole->listener);
}

/* Reads a head and a body of Content-Length; keeps what fits. */
static inline bool read_request(struct server *server, int connection)
{
    char request[sizeof server->last_request];
    size_t length = 0, missing = SIZE_MAX;
    while (missing > 0) {
        ssize_t got = recv(connection, request + length, sizeof request - 1 - length, 0);
        if (got <= 0)
            return false;
        length += (size_t)got;
        request[length] = '\0';
        const char *body = strstr(request, "\r\n\r\n");
        const char *announced = strcasestr(request, "\r\nContent-Length:");
        if (!body)
            continue;
        size_t whole =
            (size_t)(body + 4 - request) + (announced ? strtoul(announced + 17, NULL, 10) : 0);
        missing = whole > length ? whole - length : 0;
        if (length > sizeof request / 2) /* a large body: only count it */
            for (; missing > 0; missing -= (size_t)got) {
                char rest[4096];
                got = recv(connection, rest, missing < sizeof rest ? missing : sizeof rest, 0);
                if (got <= 0)
                    return false;
            }
    }
    pthread_mutex_lock(&server->mutex);
    memcpy(server->last_request, request, length + 1);
    pthread_mutex_unlock(&server->mutex);
    return true;
}

static inline void *serve_connection(void *context)
{
    struct server_connection *connection = context;
    struct server *server = connection->server;
    while (read_request(server, connection->socket)) {
        int n = ++server->requests;
        if (!server->answer(server, connection->socket, n))
            break;
    }
    pthread_mutex_lock(&server->mutex);
    server->sockets[connection->index] = -1;
    close(connection->socket);
    pthread_mutex_unlock(&server->mutex);
    free(connection);
    server->open--;
    return NULL;
}

static inline void *serve(void *context)
{
    struct server *server = context;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (int socket; (socket = accept(server->listener, NULL, NULL)) >= 0;) {
        struct server_connection *connection = malloc(sizeof *connection);
        int index = server->connections++;
        pthread_t thread;
        if (!connection || index >= CONNECTIONS_MAX)
            abort();
        *connection = (struct server_connection){server, index, socket};
        pthread_mutex_lock(&server->mutex);
        server->sockets[index] = socket;
        pthread_mutex_unlock(&server->mutex);
        server->open++;
        if (pthread_create(&thread, &detached, serve_connection, connection))
            abort();
    }
    pthread_attr_destroy(&detached);
    return NULL;
}

static inline struct server *server_start(answer_function *answer)
{
    struct server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->answer = answer;
    server->listener = listen_on_loopback(128, &server->port);
    pthread_mutex_init(&server->mutex, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    return server;
}

static inline void server_stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    pthread_mutex_lock(&server->mutex);
    for (int i = 0; i < server->connections; i++) {
        if (server->sockets[i] >= 0)
            shutdown(server->sockets[i], SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->mutex);
    while (server->open)
        sleep_ms(1);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

static inline bool send_text(int connection, const char *text)
{
    return send(connection, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static inline bool answer_ok(struct server *server, int connection, int n)
{
    (void)server;
    (void)n;
    return send_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

/* Waits until the other side closes. */
static inline bool answer_never(struct server *server, int connection, int n)
{
    char byte;
    (void)server;
    (void)n;
    while (recv(connection, &byte, 1, 0) > 0)
        ;
    return false;
}

static inline void server_say(struct server *server, const char *raw)
{
    pthread_mutex_lock(&server->mutex);
    snprintf(server->raw, sizeof server->raw, "%s", raw);
    pthread_mutex_unlock(&server->mutex);
}

/* Answers what server_say was given last. */
static inline bool answer_raw(struct server *server, int connection, int n)
{
    char raw[sizeof server->raw];
    (void)n;
    pthread_mutex_lock(&server->mutex);
    memcpy(raw, server->raw, sizeof raw);
    pthread_mutex_unlock(&server->mutex);
    return send_text(connection, raw);
}

/* A folder with a certificate for 127.0.0.1 that vouches for itself, and its key. */

static inline void make_certificate(char *folder)
{
    char command[512];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-keyout key.pem -out cert.pem -days 2 -subj /CN=test "
             "-addext subjectAltName=IP:127.0.0.1 2>openssl.log",
             folder);
    assert_int_equal(system(command), 0);
}

static inline void remove_folder(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* openssl s_server, its input and its output on pipes. */

struct tls_server {
    pid_t process;
    int input, port;
    FILE *output;
};

static inline struct tls_server tls_start(const char *folder, const char *options)
{
    struct tls_server server;
    int to[2], from[2];
    char command[512], line[256] = "";
    char *arguments[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
    posix_spawn_file_actions_t actions;
    snprintf(command, sizeof command,
             "cd %s && exec openssl s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem %s "
             "2>>openssl.log",
             folder, options);
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    assert_int_equal(posix_spawn(&server.process, "/bin/sh", &actions, NULL, arguments, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    server.input = to[1];
    server.output = fdopen(from[0], "r");
    assert_non_null(server.output);
    while (strncmp(line, "ACCEPT", 6) != 0)
        assert_non_null(fgets(line, sizeof line, server.output));
    const char *port = strrchr(line, ':');
    assert_non_null(port);
    server.port = atoi(port + 1);
    return server;
}

static inline void tls_stop(struct tls_server *server)
{
    kill(server->process, SIGTERM);
    waitpid(server->process, NULL, 0);
    close(server->input);
    fclose(server->output);
}

#endif
