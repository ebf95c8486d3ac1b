/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libnss_mymachines.so.2: host names of machines for all programs. The entry points alone: what is looked up,
 * and how an answer is laid out, is in the other files. Nothing here keeps state, so threads need no lock, and a
 * thread that is cancelled meanwhile is so afterwards. */
#include "nss/entry.h"

#include <pthread.h>

#include "nss/lookup.h"
#include "nss/pack.h"

/* What is the caller's own, put back at the end. */
typedef struct Entry {
        int error;
        int cancel;
} Entry;

static Entry enter(void) {
        Entry entry = { .error = errno };

        (void) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &entry.cancel);
        return entry;
}

static void leave(Entry *entry) {
        (void) pthread_setcancelstate(entry->cancel, NULL);
}

#define ENTRY _cleanup_(leave) Entry entry = enter()

/* Somebody set this who must not wait for the machine manager: most of all itself. */
static bool is_off(void) {
        const char *value = secure_getenv("SKEP_NSS_MYMACHINES");

        return value && streq(value, "0");
}

/* How the C library wants to hear of what is no success. Where it wants an errno is errno itself often. */
static enum nss_status fail(int r, int *errnop, int *h_errnop) {
        switch (r) {
        case LOOKUP_NONE:
                *errnop = ENOENT;
                *h_errnop = HOST_NOT_FOUND;
                return NSS_STATUS_NOTFOUND;
        case LOOKUP_NO_DATA:
        case -ENODATA:
                *errnop = ENOENT;
                *h_errnop = NO_DATA;
                return NSS_STATUS_NOTFOUND;
        case -ERANGE:
                *errnop = ERANGE;
                *h_errnop = NETDB_INTERNAL;
                return NSS_STATUS_TRYAGAIN;
        case -ETIMEDOUT:
                *errnop = EAGAIN;
                *h_errnop = TRY_AGAIN;
                return NSS_STATUS_TRYAGAIN;
        default:
                *errnop = -r;
                *h_errnop = NO_RECOVERY;
                return NSS_STATUS_UNAVAIL;
        }
}

static enum nss_status succeed(const Entry *entry, int *h_errnop, int32_t *ttlp) {
        errno = entry->error;
        *h_errnop = NETDB_SUCCESS;
        if (ttlp)
                *ttlp = 0;
        return NSS_STATUS_SUCCESS;
}

_public_ enum nss_status _nss_mymachines_gethostbyname4_r(const char *name,
                                                          struct gaih_addrtuple **pat, char *buffer,
                                                          size_t n, int *errnop, int *h_errnop,
                                                          int32_t *ttlp) {
        HostAddresses all;
        ENTRY;
        int r = is_off() ? LOOKUP_NONE : lookup_name(name, &all);

        if (r == 0)
                r = pack_tuples(name, &all, pat, buffer, n);
        return r == 0 ? succeed(&entry, h_errnop, ttlp) : fail(r, errnop, h_errnop);
}

_public_ enum nss_status _nss_mymachines_gethostbyname3_r(const char *name, int family,
                                                          struct hostent *host, char *buffer,
                                                          size_t n, int *errnop, int *h_errnop,
                                                          int32_t *ttlp, char **canonp) {
        HostAddresses all;
        ENTRY;
        int r;

        if (family == AF_UNSPEC)
                family = AF_INET;
        r = family != AF_INET && family != AF_INET6 ? -EAFNOSUPPORT
            : is_off()                              ? LOOKUP_NONE
                                                    : lookup_name(name, &all);
        if (r == 0)
                r = pack_host(name, family, &all, host, buffer, n);
        if (r != 0)
                return fail(r, errnop, h_errnop);
        if (canonp)
                *canonp = host->h_name;
        return succeed(&entry, h_errnop, ttlp);
}

_public_ enum nss_status _nss_mymachines_gethostbyname2_r(const char *name, int family,
                                                          struct hostent *host, char *buffer,
                                                          size_t n, int *errnop, int *h_errnop) {
        return _nss_mymachines_gethostbyname3_r(name, family, host, buffer, n, errnop, h_errnop,
                                                NULL, NULL);
}

_public_ enum nss_status _nss_mymachines_gethostbyname_r(const char *name, struct hostent *host,
                                                         char *buffer, size_t n, int *errnop,
                                                         int *h_errnop) {
        return _nss_mymachines_gethostbyname3_r(name, AF_UNSPEC, host, buffer, n, errnop, h_errnop,
                                                NULL, NULL);
}

_public_ enum nss_status _nss_mymachines_gethostbyaddr2_r(const void *address, socklen_t size,
                                                          int family, struct hostent *host,
                                                          char *buffer, size_t n, int *errnop,
                                                          int *h_errnop, int32_t *ttlp) {
        char name[HOST_NAME_LENGTH_MAX + 1];
        HostAddresses one = { .n = 1 };
        ENTRY;
        int r;

        if ((family != AF_INET && family != AF_INET6) || size != ip_bits(family) / 8)
                return fail(-EAFNOSUPPORT, errnop, h_errnop);
        one.v[0].ip.family = family;
        memcpy(one.v[0].ip.bytes, address, size);
        r = is_off() ? LOOKUP_NONE : lookup_address(&one.v[0].ip, name);
        if (r == 0)
                r = pack_host(name, family, &one, host, buffer, n);
        return r == 0 ? succeed(&entry, h_errnop, ttlp) : fail(r, errnop, h_errnop);
}

_public_ enum nss_status _nss_mymachines_gethostbyaddr_r(const void *address, socklen_t size,
                                                         int family, struct hostent *host,
                                                         char *buffer, size_t n, int *errnop,
                                                         int *h_errnop) {
        return _nss_mymachines_gethostbyaddr2_r(address, size, family, host, buffer, n, errnop,
                                                h_errnop, NULL);
}

/* Users of machines are known to nss-systemd(8). The name stands in the lines of old for them as well. */
static enum nss_status nobody(int *errnop) {
        *errnop = ENOENT;
        return NSS_STATUS_NOTFOUND;
}

_public_ enum nss_status _nss_mymachines_getpwnam_r(const char *name, struct passwd *pwd,
                                                    char *buffer, size_t n, int *errnop) {
        return nobody(errnop);
}

_public_ enum nss_status _nss_mymachines_getpwuid_r(uid_t uid, struct passwd *pwd, char *buffer,
                                                    size_t n, int *errnop) {
        return nobody(errnop);
}

_public_ enum nss_status _nss_mymachines_getgrnam_r(const char *name, struct group *group,
                                                    char *buffer, size_t n, int *errnop) {
        return nobody(errnop);
}

_public_ enum nss_status _nss_mymachines_getgrgid_r(gid_t gid, struct group *group, char *buffer,
                                                    size_t n, int *errnop) {
        return nobody(errnop);
}
