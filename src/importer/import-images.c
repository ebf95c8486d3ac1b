/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ListImages(): images of all classes. Whoever may not inspect images learns their names and types. */
#include <dirent.h>

#include "base/fd.h"
#include "bus/name.h"
#include "image/pool.h"
#include "importer/import-bus.h"

#define INSPECT_IMAGES BUS_MACHINE1_NAME ".inspect-images"

int import_bus_check_reveal(ImportManager *m, sd_bus_message *msg) {
        static const char *const details[] = { "verb", "list", NULL };

        return polkit_check_quietly(m->daemon.polkit, msg, INSPECT_IMAGES, details, POLKIT_NOBODY,
                                    NULL);
}

static int append_image(sd_bus_message *reply, ImageClass class, const Image *i, bool reveals) {
        if (!reveals)
                return sd_bus_message_append(reply, "(ssssbtttttt)", image_class_name(class),
                                             i->name, image_type_name(i->type), "", 0, UINT64_C(0),
                                             UINT64_C(0), UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                             UINT64_MAX);
        return sd_bus_message_append(reply, "(ssssbtttttt)", image_class_name(class), i->name,
                                     image_type_name(i->type), i->path, (int) i->read_only,
                                     i->crtime_usec, i->mtime_usec, i->usage, i->usage_exclusive,
                                     i->limit, i->limit_exclusive);
}

static int append_machines(sd_bus_message *reply, bool reveals) {
        _cleanup_(image_list_done) ImageList list = {};
        int r = pool_list(&list, NULL);

        for (size_t i = 0; i < list.n && r >= 0; i++)
                if (!image_is_hidden(list.items[i]) || image_is_host(list.items[i]))
                        r = append_image(reply, IMAGE_CLASS_MACHINE, list.items[i], reveals);
        return r;
}

static int append_directory(sd_bus_message *reply, ImageClass class, bool reveals) {
        _cleanup_free_ char *path = NULL;
        int r = image_class_directory(class, &path, NULL);
        _cleanup_dir_ DIR *d = r < 0 ? NULL : opendir(path);

        for (struct dirent *de; d && r >= 0 && (de = readdir(d));) {
                _cleanup_image_ Image *image = NULL;
                if (de->d_name[0] != '.' && image_probe(path, de->d_name, &image, NULL) > 0)
                        r = append_image(reply, class, image, reveals);
        }
        return r;
}

int import_bus_list_images(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        int class = -1, r = import_bus_read_filter(msg, &class, error);

        if (r < 0)
                return r;
        int reveals = import_bus_check_reveal(userdata, msg);
        if (reveals == 0)
                return 1;
        r = sd_bus_message_new_method_return(msg, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssbtttttt)");
        for (int c = 0; c < _IMAGE_CLASS_MAX && r >= 0; c++)
                if (class < 0 || class == c)
                        r = c == IMAGE_CLASS_MACHINE
                                    ? append_machines(reply, reveals > 0)
                                    : append_directory(reply, (ImageClass) c, reveals > 0);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
