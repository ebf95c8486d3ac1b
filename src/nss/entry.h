/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the C library calls: "mymachines" of nsswitch.conf(5). The forms are glibc's, see nss.h(0) there. */
#pragma once

#include <grp.h>
#include <netdb.h>
#include <nss.h>
#include <pwd.h>
#include <stdint.h>

enum nss_status _nss_mymachines_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
                                                 char *buffer, size_t n, int *errnop, int *h_errnop,
                                                 int32_t *ttlp);
enum nss_status _nss_mymachines_gethostbyname3_r(const char *name, int family, struct hostent *host,
                                                 char *buffer, size_t n, int *errnop, int *h_errnop,
                                                 int32_t *ttlp, char **canonp);
enum nss_status _nss_mymachines_gethostbyname2_r(const char *name, int family, struct hostent *host,
                                                 char *buffer, size_t n, int *errnop,
                                                 int *h_errnop);
enum nss_status _nss_mymachines_gethostbyname_r(const char *name, struct hostent *host,
                                                char *buffer, size_t n, int *errnop, int *h_errnop);
enum nss_status _nss_mymachines_gethostbyaddr2_r(const void *address, socklen_t size, int family,
                                                 struct hostent *host, char *buffer, size_t n,
                                                 int *errnop, int *h_errnop, int32_t *ttlp);
enum nss_status _nss_mymachines_gethostbyaddr_r(const void *address, socklen_t size, int family,
                                                struct hostent *host, char *buffer, size_t n,
                                                int *errnop, int *h_errnop);
enum nss_status _nss_mymachines_getpwnam_r(const char *name, struct passwd *pwd, char *buffer,
                                           size_t n, int *errnop);
enum nss_status _nss_mymachines_getpwuid_r(uid_t uid, struct passwd *pwd, char *buffer, size_t n,
                                           int *errnop);
enum nss_status _nss_mymachines_getgrnam_r(const char *name, struct group *group, char *buffer,
                                           size_t n, int *errnop);
enum nss_status _nss_mymachines_getgrgid_r(gid_t gid, struct group *group, char *buffer, size_t n,
                                           int *errnop);
