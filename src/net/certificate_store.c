#include "net/certificate_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Debian, SUSE, Arch, Alpine; where the folder is not hashed (Fedora), a bundle is found below. */
static const char *const system_folders[] = {"/etc/ssl/certs"};

static const char *const system_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Alpine, Gentoo */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem", /* SUSE */
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem", /* Alpine, BSD */
    "/usr/local/share/certs/ca-root-nss.crt",
};

/* [0-9a-f]{8}\.[0-9]: the only names that OpenSSL looks for. */
static bool is_hash_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] >= '0' &&
           name[9] <= '9' && name[10] == '\0';
}

static bool is_hashed(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    bool found = false;
    for (const struct dirent *entry; !found && (entry = readdir(folder));)
        found = is_hash_name(entry->d_name);
    (void)closedir(folder);
    return found;
}

static bool find_given(const char *path, struct certificate_store *store, struct error *error)
{
    struct stat status;
    if (stat(path, &status) || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS))
        return error_set(error, ERROR_UNAVAILABLE, "CA certificates: %s: %s", path,
                         strerror(errno));
    if (!S_ISDIR(status.st_mode)) {
        store->file = path;
        return true;
    }
    if (!is_hashed(path))
        return error_set(error, ERROR_UNAVAILABLE,
                         "CA certificates: %s: no certificate in this folder is named by its hash "
                         "(openssl rehash)",
                         path);
    store->folder = path;
    return true;
}

static bool find_system(struct certificate_store *store, struct error *error)
{
    for (size_t i = 0; i < sizeof system_folders / sizeof *system_folders; i++) {
        if (is_hashed(system_folders[i])) {
            store->folder = system_folders[i];
            return true;
        }
    }
    for (size_t i = 0; i < sizeof system_bundles / sizeof *system_bundles; i++) {
        if (!faccessat(AT_FDCWD, system_bundles[i], R_OK, AT_EACCESS)) {
            store->file = system_bundles[i];
            return true;
        }
    }
    return error_set(
        error, ERROR_UNAVAILABLE,
        "CA certificates: none in the system's places; install ca-certificates, or set "
        "ca_file to a copy of https://curl.se/ca/cacert.pem");
}

bool certificate_store_find(const char *ca_file, struct certificate_store *store,
                            struct error *error)
{
    *store = (struct certificate_store){0};
    return *ca_file ? find_given(ca_file, store, error) : find_system(store, error);
}
