/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-crypt: makes one device-mapper device over those it is given, hands it out open, and has the kernel
 * remove it when nobody has it open any more. See image/mapping.h for the other side. */
#pragma once

#include <libcryptsetup.h>

#include "base/fd.h"

/* crypt_free() that returns what the cleanup attribute wants */
static inline void *device_free(struct crypt_device *cd) {
        crypt_free(cd);
        return NULL;
}
DEFINE_CLEANUP(struct crypt_device *, device_free)
#define _cleanup_crypt_ _cleanup_(device_freep)

#define MAPPING_NAME_MAX 64

typedef struct Mapping {
        char name[MAPPING_NAME_MAX]; /* of the new device; nobody else's */
        int lock_fd;                 /* as long as the device would outlive us */
} Mapping;

#define MAPPING_NULL ((Mapping){ .lock_fd = -EBADF })

/** device_require_mapper() - Return: 0; -EOPNOTSUPP the kernel has no device-mapper, with @e set. */
int device_require_mapper(Error *e);
/** device_error() - what the library said last, as the cause of a failure. Return: @r. */
int device_error(struct crypt_device *cd, int r, const char *what, Error *e);
/** device_init() - the library's handle of a descriptor's device, its words kept for device_error() */
int device_init(int fd, struct crypt_device **ret, Error *e);

/** mapping_begin() - before a device is made: choose its name, keep others from sweeping it away, and sweep away
 * what somebody left who died between making one and handing it out */
int mapping_begin(Mapping *m, Error *e);
/** mapping_hand_out() - after it was made: open it, let the kernel remove it at the last close, send it
 *
 * On failure the device is removed.
 * @probe: read its first block as well, which a checked device must be able to give
 * Return: 0; -EBADMSG it cannot give it; other -errno. */
int mapping_hand_out(Mapping *m, struct crypt_device *cd, bool read_only, bool probe, Error *e);
/** mapping_done() - let go of the lock */
void mapping_done(Mapping *m);

/** signature_is_trusted() - whether one of the administrator's certificates has signed a root hash
 * The foreign bytes are parsed by a child that can do nothing else.
 * @hash:  the root hash as text, which is what is signed
 * Return: 1 yes; 0 no, or there is no certificate; -errno. */
int signature_is_trusted(const char *hash, const char *signature, size_t n, Error *e);

/** passphrase_ask() - ask on the terminal of our process
 * @ret: erased and freed by passphrase_free()
 * Return: 0; -ENOKEY there is no terminal. */
int passphrase_ask(const char *image, const char *partition, char **ret, Error *e);
/** passphrase_read() - from a file, to its end. Return: 0 or -errno. */
int passphrase_read(int fd, char **ret, size_t *ret_n, Error *e);
/** passphrase_free() - forget it. Return: NULL. */
char *passphrase_free(char *passphrase, size_t n);

/* Verbs, see main.c; words and descriptors are counted there. */
int verity_verb(char **argv, int n_fds, Error *e);
int luks_verb(char **argv, int n_fds, Error *e);
