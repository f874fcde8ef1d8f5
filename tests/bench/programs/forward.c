/* A CGI program that keeps nothing: parses, maps a few fields, posts with libcurl, answers. What a
 * process for each alert costs before it promises anything. */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES_MAX 524288

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

/* Flashduty's status, 503 if there was none. */
static long post(const char *url, const char *authority, const char *json)
{
    long status = 503;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, authority);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 4000L);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return status;
}

int main(void)
{
    static char body[BODY_BYTES_MAX], url[1024];
    const char *upstream = getenv("BENCH_UPSTREAM"), *authority = getenv("BENCH_CA");
    const char *query = getenv("QUERY_STRING");
    size_t length = fread(body, 1, sizeof body, stdin);
    char *json = map(body, length);
    long status = 400;
    if (json && upstream && authority && query) {
        snprintf(url, sizeof url, "%s?%s", upstream, query);
        status = post(url, authority, json);
    }
    free(json);
    printf("Status: %ld -\r\nContent-Type: application/json\r\n\r\n{\"outcome\":\"delivered\"}",
           status);
    return EXIT_SUCCESS;
}
