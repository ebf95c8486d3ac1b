/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image: one tree or disk in the pool, as it lies there. A plain value without descriptors; it may
 * be stale the moment it is made, so whoever changes an image takes its lock and looks again. */
#pragma once

#include "base/error.h"

#define IMAGE_HOST_NAME ".host"
#define RAW_SUFFIX      ".raw"

typedef enum ImageType {
        IMAGE_DIRECTORY,
        IMAGE_SUBVOLUME,
        IMAGE_RAW,
        IMAGE_BLOCK,
        IMAGE_MSTACK, /* a directory, see mstack.h */
        _IMAGE_TYPE_MAX,
        _IMAGE_TYPE_INVALID = -EINVAL,
} ImageType;

typedef struct Image {
        char *name;      /* "debian", without ".raw" */
        char *path;      /* where it really lies, symlinks resolved */
        char *directory; /* directory of the search path that holds the entry; NULL for the host */
        char *entry;     /* name of the entry there: NAME or NAME.raw; NULL for the host */
        ImageType type;
        bool read_only;
        bool is_link;             /* the entry is a symlink to @path */
        bool is_versioned;        /* the entry is a folder of versions; @path is the best of them */
        uint64_t crtime_usec;     /* CLOCK_REALTIME; 0 = unknown */
        uint64_t mtime_usec;      /* 0 = unknown */
        uint64_t usage;           /* bytes; UINT64_MAX = unknown, here and below */
        uint64_t usage_exclusive; /* bytes shared with no other image */
        uint64_t limit;           /* UINT64_MAX = no limit or unknown */
        uint64_t limit_exclusive;
} Image;

/** image_free() - free an image; takes NULL. Return: NULL. */
Image *image_free(Image *i);
DEFINE_CLEANUP(Image *, image_free)
#define _cleanup_image_ _cleanup_(image_freep)

/** image_probe() - look at one entry of a directory
 * @directory:  absolute path of the directory; kept in the image
 * @entry:      name in it
 * @ret:        the image, owned by the caller
 * Return: 1 it is an image; 0 it is there but no image (@e says why), or is not there (@e says nothing),
 * @ret untouched; -errno. */
int image_probe(const char *directory, const char *entry, Image **ret, Error *e);
/** image_probe_path() - an image from a path outside of the pool (`--directory=`, `--image=`)
 * @path: absolute. Its last component names the image, without a ".raw" suffix.
 * Return: 1, 0, -errno as image_probe(). */
int image_probe_path(const char *path, Image **ret, Error *e);
/** image_host() - the image that stands for the running system: ".host" at "/"
 * Return: 0 or -errno. */
int image_host(Image **ret, Error *e);

/** image_is_host() - whether this is ".host" */
bool image_is_host(const Image *i);
/** image_is_vendor() - whether the image belongs to the installed system (lies below /usr) and so
 * must not be changed */
bool image_is_vendor(const Image *i);
/** image_is_hidden() - whether listings leave it out unless asked */
bool image_is_hidden(const Image *i);

/** image_name_is_valid() - which names images may have
 * One path component of valid UTF-8, at most 255 bytes, no control characters, not beginning with
 * ".#" (names of what is not finished). Looser than the names of machines. */
bool image_name_is_valid(const char *s);
/** image_name_from_entry() - "NAME" from "NAME.raw", "NAME.mstack", "NAME.raw.v", and so on
 * @s: name of a directory entry
 * Return: 0 and a new string; -EINVAL when no image can be called so; -ENOMEM. */
int image_name_from_entry(const char *s, bool is_directory, char **ret);

/** image_form() - what a kind of entry has after the name of its image: ".raw", "", ".mstack.v" and so on
 * @rank: from 0; in one directory, the lower goes before the higher
 * Return: a string; NULL there is no such rank. */
const char *image_form(unsigned rank);
/** image_rank() - which of these forms the entry of an image has */
unsigned image_rank(const Image *i);
/** image_suffix() - what the entry of this image has after its name: ".raw", ".mstack", ".raw.v", "" */
const char *image_suffix(const Image *i);
/** image_kind_suffix() - what a copy of this image has after its name: ".raw", ".mstack" or "" */
const char *image_kind_suffix(const Image *i);
/** image_type_name() - "directory", "subvolume", "raw", "block", "mstack" */
const char *image_type_name(ImageType t);
/** image_type_parse() - the opposite. Return: the type or _IMAGE_TYPE_INVALID. */
ImageType image_type_parse(const char *s);
