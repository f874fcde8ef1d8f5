/* A CGI and FastCGI program that keeps nothing: parses, maps a few fields, posts with libcurl,
 * answers. What an alert costs before anything is promised; without BENCH_UPSTREAM, what it costs
 * to be asked and to answer. */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES_MAX 524288
#define THREADS 64
#define ANSWER "Status: %ld -\r\nContent-Type: application/json\r\n\r\n{\"outcome\":\"delivered\"}"

/* Handles that have a connection; who had one last leaves the warmest. */
static CURL *idle[THREADS];
static size_t idle_count;
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t accept_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t drop(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

static void copy(cJSON *to, const char *as, const cJSON *event, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, name));
    cJSON_AddStringToObject(to, as, value ? value : "");
}

/* NULL if the body is no event. The caller frees it. */
static char *map(const char *body, size_t length)
{
    cJSON *event = cJSON_ParseWithLength(body, length), *alert = cJSON_CreateObject();
    char *json = NULL;
    if (cJSON_IsObject(event)) {
        copy(alert, "title_rule", event, "df_title");
        cJSON_AddStringToObject(alert, "event_status", "Critical");
        copy(alert, "alert_key", event, "df_monitor_checker_event_ref");
        copy(alert, "description", event, "df_message");
        cJSON *labels = cJSON_AddObjectToObject(alert, "labels");
        copy(labels, "check", event, "df_monitor_checker_name");
        copy(labels, "link", event, "df_event_link");
        copy(labels, "host", event, "host");
        json = cJSON_PrintUnformatted(alert);
    }
    cJSON_Delete(event);
    cJSON_Delete(alert);
    return json;
}

static CURL *borrow(void)
{
    pthread_mutex_lock(&idle_lock);
    CURL *curl = idle_count > 0 ? idle[--idle_count] : NULL;
    pthread_mutex_unlock(&idle_lock);
    return curl ? curl : curl_easy_init();
}

static void give_back(CURL *curl)
{
    pthread_mutex_lock(&idle_lock);
    idle[idle_count++] = curl;
    pthread_mutex_unlock(&idle_lock);
}

/* Flashduty's status, 503 if there was none. */
static long post(const char *url, const char *authority, const char *json)
{
    long status = 503;
    CURL *curl = borrow();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, authority);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 4000L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    give_back(curl);
    return status;
}

static long forward(const char *body, size_t length, const char *query)
{
    const char *upstream = getenv("BENCH_UPSTREAM"), *authority = getenv("BENCH_CA");
    char url[1024];
    char *json = map(body, length);
    long status = 400;
    if (json && upstream && authority && query) {
        snprintf(url, sizeof url, "%s?%s", upstream, query);
        status = post(url, authority, json);
    }
    free(json);
    return status;
}

static void *serve(void *context)
{
    FCGX_Request request;
    char *body = malloc(BODY_BYTES_MAX);
    (void)context;
    FCGX_InitRequest(&request, 0, 0);
    while (body) {
        pthread_mutex_lock(&accept_lock);
        int code = FCGX_Accept_r(&request);
        pthread_mutex_unlock(&accept_lock);
        if (code)
            break;
        int length = FCGX_GetStr(body, BODY_BYTES_MAX, request.in);
        const char *query = FCGX_GetParam("QUERY_STRING", request.envp);
        long status = getenv("BENCH_UPSTREAM") ? forward(body, (size_t)length, query) : 200;
        FCGX_FPrintF(request.out, ANSWER, status);
        FCGX_Finish_r(&request);
    }
    free(body);
    return NULL;
}

static int serve_for_ever(void)
{
    pthread_t threads[THREADS];
    FCGX_Init();
    /* libfcgi's own handler only interrupts an accept(). */
    signal(SIGTERM, SIG_DFL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, serve, NULL);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return EXIT_SUCCESS;
}

int main(void)
{
    static char body[BODY_BYTES_MAX];
    if (!FCGX_IsCGI())
        return serve_for_ever();
    size_t length = fread(body, 1, sizeof body, stdin);
    printf(ANSWER, forward(body, length, getenv("QUERY_STRING")));
    return EXIT_SUCCESS;
}
