/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of images, see image-class.h. */
#include "importer/image-class.h"

#include "base/home.h"
#include "image/pool.h"

static const struct {
        const char *name, *directory;
} classes[_IMAGE_CLASS_MAX] = {
        [IMAGE_CLASS_MACHINE] = { "machine", NULL }, /* the pool, which can be elsewhere */
        [IMAGE_CLASS_PORTABLE] = { "portable", "portables" },
        [IMAGE_CLASS_SYSEXT] = { "sysext", "extensions" },
        [IMAGE_CLASS_CONFEXT] = { "confext", "confexts" },
};

const char *image_class_name(ImageClass c) {
        return c >= 0 && c < _IMAGE_CLASS_MAX ? classes[c].name : NULL;
}

ImageClass image_class_parse(const char *s) {
        for (int c = 0; c < _IMAGE_CLASS_MAX; c++)
                if (streq(classes[c].name, s))
                        return (ImageClass) c;
        return _IMAGE_CLASS_INVALID;
}

int image_class_directory(ImageClass c, char **ret, Error *e) {
        if (!classes[c].directory)
                return pool_path(ret, e);
        *ret = home_state("%s", classes[c].directory);
        return *ret ? 0 : error_oom(e);
}
