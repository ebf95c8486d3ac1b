/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures as minisign and signify make them: one Ed25519 key, known before, and nothing else to decide. Of text that
 * is in memory. */
#pragma once

#include "base/error.h"

/* The longest file of a signature that is read, and of a key. */
#define MINISIGN_MAX ((size_t) 16 * 1024)

#define MINISIGN_ID_SIZE        8
#define MINISIGN_KEY_SIZE       32
#define MINISIGN_SIGNATURE_SIZE 64
#define MINISIGN_HASH_SIZE      64

typedef struct MinisignKey {
        uint8_t id[MINISIGN_ID_SIZE];
        uint8_t key[MINISIGN_KEY_SIZE];
} MinisignKey;

typedef struct MinisignSignature {
        bool is_prehashed; /* of the BLAKE2b of the text, as minisign does it by default */
        uint8_t id[MINISIGN_ID_SIZE];
        uint8_t signature[MINISIGN_SIGNATURE_SIZE];
        const char *comment; /* what is signed with it; in the text that was parsed */
        size_t n_comment;
        uint8_t global[MINISIGN_SIGNATURE_SIZE]; /* of the signature and the comment */
} MinisignSignature;

typedef struct MinisignKeys {
        MinisignKey *v;
        size_t n;
} MinisignKeys;

void minisign_keys_done(MinisignKeys *k);
/** minisign_keys_load() - the keys that the host trusts: *.pub in /etc/skep/import-keys.d and, for names that are not
 * there, in /usr/lib/skep/import-keys.d; or in the directory that $SKEP_IMPORT_KEYS names alone
 * Return: 0, also if there are none; -errno. */
int minisign_keys_load(MinisignKeys *ret, Error *e);
/** minisign_key_parse() - a file with a public key, with its comment or without. Return: 0; -EBADMSG. */
int minisign_key_parse(const char *text, size_t n, MinisignKey *ret);
/** minisign_signature_parse() - a file with a signature. @ret: borrows from @text. Return: 0; -EBADMSG. */
int minisign_signature_parse(const char *text, size_t n, MinisignSignature *ret);
/** minisign_verify_hash() - the same of what has that BLAKE2b
 * Return: also -EOPNOTSUPP: the signature is not of a hash. */
int minisign_verify_hash(const MinisignKeys *keys, const uint8_t hash[static MINISIGN_HASH_SIZE],
                         const char *signature, size_t n_signature, Error *e);
/** minisign_verify() - whether a text was signed by one of the keys, and what is said of it with it
 * Return: 0; -ENOKEY by another; -EKEYREJECTED it was not; -EBADMSG this is no signature; -errno. */
int minisign_verify(const MinisignKeys *keys, const void *text, size_t n, const char *signature,
                    size_t n_signature, Error *e);
