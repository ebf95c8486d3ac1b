/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a Spec leaves to be found out: where the image is, what the machine is called, what kind of
 * console it gets. This is the one part of reading a Spec that looks at the host. */
#include <limits.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/name.h"
#include "base/path.h"
#include "image/pool.h"
#include "spawn/console.h"
#include "spawn/spec.h"
#include "spawn/template.h"

static int find_in_pool(Spec *s, Error *e) {
        _cleanup_image_ Image *image = NULL;
        int r = pool_get(s->machine, &image, e);

        if (r < 0)
                return r;
        if (image->type != IMAGE_DIRECTORY && image->type != IMAGE_SUBVOLUME)
                return error_set(e, EOPNOTSUPP, "image '%s' is of type %s, which cannot be run yet",
                                 s->machine, image_type_name(image->type));
        s->read_only = s->read_only || image->read_only;
        s->directory = strdup(image->path);
        return s->directory ? 0 : error_oom(e);
}

static int resolve_directory(Spec *s, const Spec *found, Error *e) {
        char *real;

        if (s->cleanup && s->machine)
                return 0; /* its image may be gone */
        if (s->template_path) {
                int r = template_resolve(s, e);
                if (r != 0)
                        return MIN(r, 0);
        }
        if (!s->directory && s->machine)
                return find_in_pool(s, e);
        /* Only the command line says where it is. */
        const char *given = s->directory ? s->directory : ".";
        real = found ? strdup(found->directory) : realpath(given, NULL);
        if (!real)
                return error_set(e, errno, "cannot find the root directory '%s': %m", given);
        free(s->directory);
        s->directory = real;
        return 0;
}

static int resolve_name(Spec *s, Error *e) {
        char host[HOST_NAME_LENGTH_MAX + 1] = {};
        const char *from = path_last(s->directory);

        if (!*from) {
                if (gethostname(host, sizeof host - 1) < 0)
                        return error_set(e, errno, "cannot read our host name: %m");
                from = host;
        }
        s->machine = hostname_clean(from);
        if (!s->machine)
                return error_oom(e);
        if (!hostname_is_valid(s->machine))
                return error_set(e, EINVAL,
                                 "no machine name can be made of '%s'; choose one with --machine=",
                                 s->directory);
        return 0;
}

/* Copies of one image run side by side: each gets a name of its own. */
static int add_suffix(Spec *s, Error *e) {
        uint64_t random;
        char *name;

        if (getrandom(&random, sizeof random, 0) != sizeof random)
                return error_set(e, EIO, "no random numbers");
        name = str_format("%.*s-%016llx", HOST_NAME_LENGTH_MAX - 17, s->machine,
                          (unsigned long long) random);
        if (!name)
                return error_oom(e);
        free(s->machine);
        s->machine = name;
        return 0;
}

int spec_resolve(Spec *s, const Spec *found, Error *e) {
        bool named = s->machine;
        int r = resolve_directory(s, found, e);

        if (r >= 0 && !named)
                r = resolve_name(s, e);
        if (r < 0 || !found)
                return r;
        if (s->ephemeral && !named) {
                r = add_suffix(s, e);
                if (r < 0)
                        return r;
        }
        s->console = console_resolve(s->console);
        return 0;
}
