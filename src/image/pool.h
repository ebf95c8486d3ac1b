/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pool: the directories where images are looked for by name. First name found wins. */
#pragma once

#include "image/image.h"

/** pool_directories() - the search path
 * /etc/machines, /run/machines, /var/lib/machines and so on; $SKEP_POOL (absolute paths joined by
 * ':') replaces it, the first one being the main directory then.
 * Return: 0 and a new vector; -EINVAL for a bad $SKEP_POOL; -ENOMEM. */
int pool_directories(char ***ret, Error *e);
/** pool_path() - the directory where new images go: /var/lib/machines, or the first of $SKEP_POOL
 * Return: 0 and a new string; -EINVAL; -ENOMEM. */
int pool_path(char **ret, Error *e);
/** pool_open() - open the main directory, making it (0700) where it is missing
 * Return: a descriptor (O_RDONLY) or -errno. */
int pool_open(Error *e);

/** pool_recover() - finish changes to images that somebody was killed in the middle of
 * To be called before images are looked up in order to change them.
 * Return: 0; the first -errno after having tried all directories. */
int pool_recover(Error *e);
/** pool_sweep_directory() - finish what was left in the middle in a directory of images, then remove what was never
 * complete there
 * Return: number of things removed; -errno. */
int pool_sweep_directory(const char *directory, Error *e);
/** pool_sweep() - remove what the killed left over that is of no use: copies that were never complete, images half
 * removed. May take long. Return: 0; the first -errno after having tried all. */
int pool_sweep(Error *e);
/** pool_sweep_partials() - remove what was downloaded in part and nobody goes on with now. Return: as above. */
int pool_sweep_partials(Error *e);
/** pool_find() - look for an image by name
 * Return: 1 found; 0 no such image, @ret untouched; -EINVAL a name that no image can have; -errno. */
int pool_find(const char *name, Image **ret, Error *e);
/** pool_get() - as pool_find(), where a missing image is an error, too
 * Return: 0; -ENOENT; as above. */
int pool_get(const char *name, Image **ret, Error *e);

/* Images, ordered by name. */
typedef struct ImageList {
        size_t n;
        Image **items;
} ImageList;

/** image_list_done() - free the list and its images */
void image_list_done(ImageList *l);

/** pool_list() - all images: those of the search path, each name once, and ".host"
 * Hidden ones are in; see image_is_hidden(). What cannot be looked at is left out.
 * Return: 0 or -errno. */
int pool_list(ImageList *ret, Error *e);

/* Something that lies in the pool and is not in the list of images. */
typedef struct PoolLeftover {
        char *path;
        char *why;
} PoolLeftover;

typedef struct PoolLeftovers {
        size_t n;
        PoolLeftover *items;
} PoolLeftovers;

/** pool_leftovers_done() - free the list */
void pool_leftovers_done(PoolLeftovers *l);
/** pool_list_explained() - the same, and why the other entries of the pool are no images
 * What goes with an image, and what is not finished, is in neither list.
 * @ret_others: may be NULL
 * Return: 0 or -errno. */
int pool_list_explained(ImageList *ret, PoolLeftovers *ret_others, Error *e);

typedef struct PoolUsage {
        uint64_t usage; /* bytes; UINT64_MAX = unknown */
        uint64_t limit; /* UINT64_MAX = none or unknown */
} PoolUsage;

/** pool_usage() - what the main directory takes with all that is in it, and may take
 * It is known where the file system keeps count of it, see quota.h, and where it has nothing else in it. */
void pool_usage(PoolUsage *ret);
/** pool_set_limit() - limit what the main directory may take
 * Return: 0; -EOPNOTSUPP the file system does not keep count, or the pool is neither a subvolume nor a project;
 * -errno. */
int pool_set_limit(uint64_t limit, Error *e);
