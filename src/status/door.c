#include "status/door.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/digest.h"
#include "base/limits.h"
#include "base/text.h"

/* Name, colon and key in base64 are shorter. */
#define CREDENTIALS_MAX 1024

static const char *variable(const struct request *request, const char *name)
{
    const char *value = request_variable(request, name);
    return value ? value : "";
}

/* What follows a scheme's name (RFC 9110, 11.4); NULL for another scheme. */
static const char *behind_scheme(const char *authorization, const char *scheme)
{
    size_t length = strcspn(authorization, " ");
    char name[16];
    if (length >= sizeof name || !authorization[length])
        return NULL;
    memcpy(name, authorization, length);
    name[length] = '\0';
    return text_equal_ignoring_case(name, scheme)
               ? authorization + length + strspn(authorization + length, " ")
               : NULL;
}

static bool is_bearer_of(const char *authorization, const char *key)
{
    const char *token = behind_scheme(authorization, "Bearer");
    return token && secret_equal(token, key);
}

/* The user's name says nothing, the password is the key (RFC 7617). */
static bool has_password(const char *authorization, const char *key)
{
    const char *text = behind_scheme(authorization, "Basic");
    unsigned char decoded[CREDENTIALS_MAX] = {0};
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length >= sizeof decoded)
        return false;
    bool is_text = EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)length) > 0;
    const char *colon = is_text ? strchr((const char *)decoded, ':') : NULL;
    bool is_right = colon && secret_equal(colon + 1, key);
    explicit_bzero(decoded, sizeof decoded);
    return is_right;
}

/* nginx sets REMOTE_USER from any header, checked or not; AUTH_TYPE says that it was checked.
 * HAProxy sets both from any header. */
static const char *logged_in_user(const struct request *request)
{
    static const char unchecked[] = "HAProxy";
    const char *user = variable(request, "REMOTE_USER");
    bool is_checked = *variable(request, "AUTH_TYPE") &&
                      strncmp(variable(request, "SERVER_SOFTWARE"), unchecked, strlen(unchecked));
    return is_checked ? user : "";
}

const char *door_visitor(const struct request *request, const char *status_key, struct error *error)
{
    const char *user = logged_in_user(request);
    const char *authorization = variable(request, "HTTP_AUTHORIZATION");
    if (*user)
        return user;
    if (*status_key &&
        (is_bearer_of(authorization, status_key) || has_password(authorization, status_key)))
        return "status_key";
    if (*status_key)
        error_set(error, ERROR_UNAUTHORIZED,
                  "the status page opens to the status_key of the configuration, as the password "
                  "of any user name or as a bearer token");
    else
        error_set(error, ERROR_FORBIDDEN,
                  "the status page opens to users whom the web server has logged in, and to the "
                  "status_key of the configuration, which is not set");
    return NULL;
}

/* Whether an origin, SCHEME://AUTHORITY, is of this host. */
static bool is_own(const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");
    return authority && text_equal_ignoring_case(authority + strlen("://"), host);
}

bool door_is_same_site(const struct request *request, struct error *error)
{
    const char *site = variable(request, "HTTP_SEC_FETCH_SITE");
    const char *origin = variable(request, "HTTP_ORIGIN");
    bool is_same = *site ? !strcmp(site, "same-origin") || !strcmp(site, "none")
                         : !*origin || is_own(origin, variable(request, "HTTP_HOST"));
    return is_same || error_set(error, ERROR_FORBIDDEN, "this form was sent from another site");
}
