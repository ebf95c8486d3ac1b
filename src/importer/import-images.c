/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ListImages(): images of all classes. Whoever may not inspect images learns their names and types. A worker
 * looks at them, for a directory may be where nobody answers. */
#include <dirent.h>

#include "base/fd.h"
#include "bus/name.h"
#include "image/pool.h"
#include "importer/import-bus.h"

#define INSPECT_IMAGES BUS_MACHINE1_NAME ".inspect-images"
#define LIST_USEC      (30 * UINT64_C(1000000))

int import_bus_check_reveal(ImportManager *m, sd_bus_message *msg) {
        static const char *const details[] = { "verb", "list", NULL };

        return polkit_check_quietly(m->daemon.polkit, msg, INSPECT_IMAGES, details, POLKIT_NOBODY,
                                    NULL);
}

typedef struct Question {
        int class; /* negative = all */
        bool reveals;
} Question;

/* An image on its way from the worker; name and path follow, each with its NUL. */
typedef struct Row {
        uint64_t crtime, mtime, usage, usage_exclusive, limit, limit_exclusive;
        uint32_t class, type, read_only;
} Row;

static int put_image(Buf *b, const Question *q, ImageClass class, const Image *i) {
        Row row = { 0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, class, i->type, 0 };
        const char *path = q->reveals ? i->path : "";

        if (q->reveals)
                row = (Row){ i->crtime_usec, i->mtime_usec,      i->usage, i->usage_exclusive,
                             i->limit,       i->limit_exclusive, class,    i->type,
                             i->read_only };
        int r = buf_append(b, &row, sizeof row);
        if (r >= 0)
                r = buf_append(b, i->name, strlen(i->name) + 1);
        return r < 0 ? r : buf_append(b, path, strlen(path) + 1);
}

static int put_machines(Buf *b, const Question *q, Error *e) {
        _cleanup_(image_list_done) ImageList list = {};
        int r = pool_list(&list, e);

        for (size_t i = 0; i < list.n && r >= 0; i++)
                if (!image_is_hidden(list.items[i]) || image_is_host(list.items[i]))
                        r = put_image(b, q, IMAGE_CLASS_MACHINE, list.items[i]);
        return r;
}

static int put_directory(Buf *b, const Question *q, ImageClass class, Error *e) {
        _cleanup_free_ char *path = NULL;
        int r = image_class_directory(class, &path, e);
        _cleanup_dir_ DIR *d = r < 0 ? NULL : opendir(path);

        for (struct dirent *de; d && r >= 0 && (de = readdir(d));) {
                _cleanup_image_ Image *image = NULL;
                if (de->d_name[0] != '.' && image_probe(path, de->d_name, &image, NULL) > 0)
                        r = put_image(b, q, class, image);
        }
        return r;
}

static int work(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(buf_done) Buf b = {};
        const Question *q = arg;
        int r = 0;

        for (int c = 0; c < _IMAGE_CLASS_MAX && r >= 0; c++)
                if (q->class < 0 || q->class == c)
                        r = c == IMAGE_CLASS_MACHINE ? put_machines(&b, q, e)
                                                     : put_directory(&b, q, (ImageClass) c, e);
        return r < 0 ? r : operation_send_text(out, b.p, b.n);
}

static int append_row(sd_bus_message *reply, const char *at, size_t n) {
        const char *name = at + sizeof(Row), *path;
        Row row;

        if (n <= sizeof row)
                return 0;
        memcpy(&row, at, sizeof row);
        path = name + strlen(name) + 1;
        if (path >= at + n)
                return 0;
        int r = sd_bus_message_append(reply, "(ssssbtttttt)",
                                      image_class_name((ImageClass) row.class), name,
                                      image_type_name((ImageType) row.type), path,
                                      (int) row.read_only, row.crtime, row.mtime, row.usage,
                                      row.usage_exclusive, row.limit, row.limit_exclusive);
        return r < 0 ? r : (int) (path + strlen(path) + 1 - at);
}

static int finish(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "(ssssbtttttt)", append_row, e);
}

int import_bus_list_images(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        static const OperationKind kind = {
                .what = "listing images", .work = work, .finish = finish, .timeout_usec = LIST_USEC
        };
        ImportManager *m = userdata;
        Question q = { .class = -1 };
        Error e = {};
        int r = import_bus_read_filter(msg, &q.class, error);

        if (r < 0)
                return r;
        int reveals = import_bus_check_reveal(m, msg);
        if (reveals == 0)
                return 1;
        q.reveals = reveals > 0;
        r = operation_start(&m->operations, &kind, msg, NULL, &q, NULL, 0, &e);
        return r < 0 ? import_bus_fail(error, r, &e) : 1;
}
