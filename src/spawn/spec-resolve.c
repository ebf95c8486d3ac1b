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
#include "spawn/journal-forward.h"
#include "spawn/spec.h"
#include "spawn/template.h"

/* Takes a place that is known to be an image of some kind. */
static int take_image(Spec *s, const Image *image, Error *e) {
        bool is_disk = image->type == IMAGE_RAW || image->type == IMAGE_BLOCK;

        s->read_only = s->read_only || image->read_only;
        s->is_stack = image->type == IMAGE_MSTACK;
        return str_replace(is_disk ? &s->image : &s->directory, image->path) < 0 ? error_oom(e) : 0;
}

static int find_in_pool(Spec *s, Error *e) {
        _cleanup_image_ Image *image = NULL;
        int r = pool_get(s->machine, &image, e);

        return r < 0 ? r : take_image(s, image, e);
}

static int resolve_image(Spec *s, Error *e) {
        _cleanup_image_ Image *image = NULL;
        _cleanup_free_ char *real = realpath(s->image, NULL);

        if (!real)
                return error_set(e, errno, "cannot find the image '%s': %m", s->image);
        int r = image_probe_path(real, &image, e);
        if (r < 0)
                return r;
        if (r == 0 || (image->type != IMAGE_RAW && image->type != IMAGE_BLOCK))
                return error_set(e, EINVAL, "'%s' is neither a file nor a block device%s", s->image,
                                 r > 0 ? "; --directory= is for directories" : "");
        return take_image(s, image, e);
}

static int resolve_stack(Spec *s, Error *e) {
        char *real = realpath(s->mstack, NULL);

        if (!real)
                return error_set(e, errno, "cannot find the stack '%s': %m", s->mstack);
        if (s->directory) {
                free(real);
                return error_set(e, EINVAL, "--directory= and --mstack= are both given");
        }
        s->directory = real;
        s->is_stack = true;
        return 0;
}

static int resolve_directory(Spec *s, const Spec *found, Error *e) {
        char *real;

        if (s->cleanup && s->machine)
                return 0; /* its image may be gone */
        if (s->oci_bundle)
                return 0; /* it says itself where its root is */
        if (s->image)
                return resolve_image(s, e);
        if (s->mstack)
                return resolve_stack(s, e);
        if (s->template_path) {
                int r = template_resolve(s, e);
                if (r != 0)
                        return MIN(r, 0);
        }
        if (!s->directory && s->machine)
                return find_in_pool(s, e);
        /* Only the command line says where it is. */
        const char *given = s->directory ? s->directory : ".";
        real = found && found->directory ? strdup(found->directory) : realpath(given, NULL);
        if (!real)
                return error_set(e, errno, "cannot find the root directory '%s': %m", given);
        free(s->directory);
        s->directory = real;
        return 0;
}

static int resolve_name(Spec *s, Error *e) {
        char host[HOST_NAME_LENGTH_MAX + 1] = {};
        const char *from = path_last(s->oci_bundle ? s->oci_bundle : spec_place(s));
        _cleanup_free_ char *stem = NULL;

        if (!*from) {
                if (gethostname(host, sizeof host - 1) < 0)
                        return error_set(e, errno, "cannot read our host name: %m");
                from = host;
        }
        if ((s->image || s->is_stack) && image_name_from_entry(from, s->is_stack, &stem) == -ENOMEM)
                return error_oom(e);
        s->machine = hostname_clean(stem ? stem : from);
        if (!s->machine)
                return error_oom(e);
        if (!hostname_is_valid(s->machine))
                return error_set(e, EINVAL,
                                 "no machine name can be made of '%s'; choose one with --machine=",
                                 s->oci_bundle ? s->oci_bundle : spec_place(s));
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
        /* An address is one of a link. */
        if (s->addresses.n > 0 && !network_spec_has_links(&s->network))
                s->network.veth = true;
        /* What a journald inside is told of it by. */
        return s->forward_journal ? credentials_add(&s->credentials, "journal.forward_to_socket",
                                                    JOURNAL_FORWARD_SOCKET, e)
                                  : 0;
}
