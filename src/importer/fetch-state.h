/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a download is: shared memory of the fetcher, which writes it, and the worker; of a download that is to
 * outlive both, a file beside the bytes. So whoever reads it believes nothing in it. */
#pragma once

#include <stdatomic.h>

#include "importer/fetch-head.h"

#define FETCH_CHUNKS_MAX 16384
#define FETCH_CHUNK_SIZE ((uint64_t) 8 * 1024 * 1024)
#define FETCH_SIZE_MAX   (UINT64_C(64) << 40)

/* Bytes [i * chunk_size, i * chunk_size + got[i]) of the file are there, for each i. */
typedef struct FetchState {
        char magic[8];
        uint8_t source[32]; /* what is downloaded: the SHA-256 of its URL */
        uint8_t boot[16];   /* ID of the boot in which it was written to last */
        char etag[FETCH_ETAG_MAX];
        char modified[FETCH_MODIFIED_MAX];
        _Atomic uint64_t size; /* of the whole; FETCH_UNKNOWN */
        uint64_t chunk_size;
        _Atomic uint64_t synced;   /* bytes at the beginning that a power failure leaves */
        _Atomic uint64_t received; /* bytes that came over the network, ever */
        uint32_t got[FETCH_CHUNKS_MAX];
} FetchState;

/** fetch_state_reset() - nothing is there, nothing is known; @source and @received stay */
void fetch_state_reset(FetchState *s);
/** fetch_state_new() - shared memory for one, reset
 * @ret_fd: of the memory, to pass on. Return: 0 or -errno. */
int fetch_state_new(FetchState **ret, int *ret_fd);
/** fetch_state_map() - map a file's; it is made long enough. Return: 0 or -errno. */
int fetch_state_map(int fd, FetchState **ret);
/** fetch_state_unmap() - takes NULL. Return: NULL. */
FetchState *fetch_state_unmap(FetchState *s);
DEFINE_CLEANUP(FetchState *, fetch_state_unmap)
/** fetch_state_is_sane() - whether what is in it can be gone on with; @n is the length of the download's file */
bool fetch_state_is_sane(const FetchState *s, uint64_t n);
/** fetch_state_cut() - forget all but the first @n bytes */
void fetch_state_cut(FetchState *s, uint64_t n);

/** fetch_state_set_size() - now the size is known: choose the chunks so that they suffice
 * Return: 0; -EFBIG. */
int fetch_state_set_size(FetchState *s, uint64_t size);
/** fetch_state_gap() - the first byte at or after @from that is not there; the size if all is */
uint64_t fetch_state_gap(const FetchState *s, uint64_t from);
/** fetch_state_gap_end() - where the gap that @from is in ends, at least at the end of its chunk; the size (or
 * FETCH_UNKNOWN) if nothing more is there */
uint64_t fetch_state_gap_end(const FetchState *s, uint64_t from);
/** fetch_state_have() - bytes from @at on that are there, without looking past the end of the chunk */
uint64_t fetch_state_have(const FetchState *s, uint64_t at);
/** fetch_state_add() - @n bytes at @at have been written; no more than up to the end of the chunk, and nothing is
 * missing in it before @at. Return: 0; -EFBIG. */
int fetch_state_add(FetchState *s, uint64_t at, uint64_t n);
/** fetch_state_is_complete() - whether the size is known and all is there */
bool fetch_state_is_complete(const FetchState *s);
