/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of images that transfers are for, and the directory that each kind goes to. */
#pragma once

#include "base/error.h"

typedef enum ImageClass {
        IMAGE_CLASS_MACHINE,
        IMAGE_CLASS_PORTABLE,
        IMAGE_CLASS_SYSEXT,
        IMAGE_CLASS_CONFEXT,
        _IMAGE_CLASS_MAX,
        _IMAGE_CLASS_INVALID = -EINVAL,
} ImageClass;

/** image_class_name() - "machine", "portable", "sysext", "confext" */
const char *image_class_name(ImageClass c);
/** image_class_parse() - the opposite. Return: the class or _IMAGE_CLASS_INVALID. */
ImageClass image_class_parse(const char *s);
/** image_class_directory() - where images of a class go. Return: 0 and a new string, or -errno. */
int image_class_directory(ImageClass c, char **ret, Error *e);
