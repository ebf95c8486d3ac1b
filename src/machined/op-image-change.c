/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images on the bus, to be changed: as systemd-machined has it, and with flags and an answer that says what is done.
 * How that is done is in src/image; here is who may, and that a worker does it. A worker that is killed leaves its
 * work to the next, see pool_recover(). */
#include <syslog.h>

#include "app/report.h"
#include "image/change.h"
#include "image/clone.h"
#include "image/pool.h"
#include "image/quota.h"
#include "machined/op.h"

#define QUICK_USEC ((uint64_t) 30 * 1000000)

/* Flags of our own methods. */
enum {
        FLAG_DRY_RUN = 1 << 0,
        FLAG_KEEP_SETTINGS = 1 << 1,
        FLAG_READ_ONLY = 1 << 2,
        FLAG_FRESH = 1 << 3,
        FLAG_LAYER = 1 << 4,
};

/* One change to one image, for the worker; the image is looked up again there. */
typedef struct Change {
        char name[256];
        char new_name[256];
        uint64_t flags;
        uint64_t limit;
} Change;

static int authorize(Manager *m, sd_bus_message *call, const Image *image, const char *verb,
                     const char *key, const char *value, Error *e) {
        const char *details[] = { "image", image->name, "verb", verb, key, value, NULL };

        return polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".manage-images", details,
                            POLKIT_NOBODY, e);
}

static int authorize_pool(Manager *m, sd_bus_message *call, const char *verb, const char *key,
                          const char *value, Error *e) {
        const char *details[] = { "verb", verb, key, value, NULL };

        return polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".manage-machines", details,
                            POLKIT_NOBODY, e);
}

static int start(Manager *m, const OperationKind *kind, const Image *image, const char *new_name,
                 uint64_t flags, uint64_t limit, sd_bus_message *call, Error *e) {
        Change c = { .flags = flags, .limit = limit };

        if (strlen(image->name) >= sizeof c.name || strlen(strempty(new_name)) >= sizeof c.name)
                return error_set(e, EINVAL, "the name is too long");
        memcpy(c.name, image->name, strlen(image->name) + 1);
        memcpy(c.new_name, strempty(new_name), strlen(strempty(new_name)) + 1);
        int r = operation_start(&m->operations, kind, call, NULL, &c, NULL, 0, e);
        if (r > 0)
                operation_set_subject(&m->operations, image->name);
        return r;
}

/* In the worker. What was left in the middle may be this image. That something else cannot be finished does not
 * keep from this. */
static int find(const char *name, Image **ret, Error *e) {
        (void) pool_recover(NULL);
        int r = pool_find(name, ret, e);
        return r == 0 ? error_set(e, ERR_NO_SUCH_IMAGE, "No image '%s' known", name) : r;
}

/* What a worker answers: whether systemd has to read its units again, and strings, each with its NUL. */
static int answer(const WorkerOut *out, bool units, const Buf *strings) {
        _cleanup_(buf_done) Buf b = {};
        int r = buf_puts(&b, units ? "U" : "-");

        if (r >= 0 && strings->n > 0)
                r = buf_append(&b, strings->p, strings->n);
        return r < 0 ? r : operation_send_text(out, b.p, b.n);
}

/* Nobody waits for it: what was asked for is done. */
static void reload_units(sd_bus_message *call, const OperationResult *result) {
        if (result->n_text > 0 && result->text[0] == 'U')
                (void) sd_bus_call_method_async(sd_bus_message_get_bus(call), NULL,
                                                "org.freedesktop.systemd1",
                                                "/org/freedesktop/systemd1",
                                                "org.freedesktop.systemd1.Manager", "Reload", NULL,
                                                NULL, "");
}

static int finish_empty(sd_bus_message *call, const OperationResult *result, Error *e) {
        reload_units(call, result);
        return op_finish_empty(call, result, e);
}

/* Answers with a list of what comes behind that. */
static int reply_list(sd_bus_message *call, const OperationResult *result, const char *contents,
                      OperationAppend append, Error *e) {
        const OperationResult rest = { .text = result->text + MIN(result->n_text, (size_t) 1),
                                       .n_text = result->n_text - MIN(result->n_text, (size_t) 1) };
        int r = operation_reply_list(call, &rest, contents, append, e);

        reload_units(call, result);
        return r;
}

/* The next string of an answer. What is not there is empty. */
static const char *next(const char *at, size_t n, size_t *used) {
        const char *s = *used < n ? at + *used : "";

        *used += *used < n ? strlen(s) + 1 : 0;
        return s;
}

static int append_step(sd_bus_message *reply, const char *at, size_t n) {
        size_t used = 0;
        const char *kind = next(at, n, &used), *from = next(at, n, &used);
        int r = sd_bus_message_append(reply, "(sss)", kind, from, next(at, n, &used));

        return r < 0 ? r : (int) used;
}

static int finish_steps(sd_bus_message *call, const OperationResult *result, Error *e) {
        return reply_list(call, result, "(sss)", append_step, e);
}

static int put_string(Buf *b, const char *s) {
        return buf_append(b, s, strlen(s) + 1);
}

static int put_steps(const Transaction *t, Buf *b) {
        int r = 0;

        for (size_t i = 0; i < t->n && r >= 0; i++) {
                r = put_string(b, step_kind_name(t->steps[i].kind));
                if (r >= 0)
                        r = put_string(b, t->steps[i].from);
                if (r >= 0)
                        r = put_string(b, strempty(t->steps[i].to));
        }
        return r;
}

static int work_remove(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(transaction_done) Transaction plan = {};
        _cleanup_(buf_done) Buf steps = {};
        _cleanup_image_ Image *image = NULL;
        const Change *c = arg;
        const ImageFlags flags = c->flags & FLAG_KEEP_SETTINGS ? IMAGE_KEEP_SETTINGS : 0;
        bool units = false;
        int r = find(c->name, &image, e);

        if (r >= 0)
                r = image_plan_remove(image, flags, &plan, e);
        if (r >= 0)
                r = put_steps(&plan, &steps);
        if (r >= 0 && !(c->flags & FLAG_DRY_RUN))
                r = image_remove(image, flags, &units, e);
        return r < 0 ? r : answer(out, units, &steps);
}

static int work_rename(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(transaction_done) Transaction plan = {};
        _cleanup_(buf_done) Buf steps = {};
        _cleanup_image_ Image *image = NULL;
        const Change *c = arg;
        bool units = false;
        int r = find(c->name, &image, e);

        if (r >= 0)
                r = image_plan_rename(image, c->new_name, &plan, e);
        if (r >= 0)
                r = put_steps(&plan, &steps);
        if (r >= 0 && !(c->flags & FLAG_DRY_RUN))
                r = image_rename(image, c->new_name, &units, e);
        return r < 0 ? r : answer(out, units, &steps);
}

static int work_clone(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_image_ Image *image = NULL;
        const Change *c = arg;
        const ImageFlags flags = (c->flags & FLAG_READ_ONLY ? IMAGE_CLONE_READ_ONLY : 0) |
                                 (c->flags & FLAG_FRESH ? IMAGE_CLONE_FRESH : 0) |
                                 (c->flags & FLAG_LAYER ? IMAGE_CLONE_LAYER : 0);
        int r = find(c->name, &image, e);

        if (r >= 0 && (image->type == IMAGE_RAW || image->type == IMAGE_BLOCK) &&
            image->usage != UINT64_MAX)
                (void) operation_send_total(out, image->usage);
        if (r >= 0)
                r = image_clone(image, c->new_name, flags, e);
        /* Those before us may have been ended in the middle. */
        if (r >= 0)
                (void) pool_sweep(NULL);
        return r;
}

static int work_read_only(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_image_ Image *image = NULL;
        const Change *c = arg;
        int r = find(c->name, &image, e);

        return r < 0 ? r : image_set_read_only(image, c->flags & FLAG_READ_ONLY, e);
}

static int work_limit(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_image_ Image *image = NULL;
        const Change *c = arg;
        int r = find(c->name, &image, e);

        return r < 0 ? r : image_set_limit(image, c->limit, e);
}

static int work_recover(const void *arg, const WorkerOut *out, Error *e) {
        return pool_sweep(e);
}

static void recovered(void *userdata, void *owner, int r, const OperationResult *result,
                      const Error *e) {
        if (r < 0)
                report(LOG_WARNING, "cannot clear up the pool: %s", e->text);
}

void image_change_recover(Manager *m) {
        static const OperationKind kind = { .what = "clearing up the pool",
                                            .work = work_recover,
                                            .done = recovered };
        Error e = {};

        if (operation_start_own(&m->operations, &kind, NULL, NULL, NULL, 0, &e) < 0)
                report(LOG_WARNING, "cannot clear up the pool: %s", e.text);
}

static int start_remove(Manager *m, const Image *image, uint64_t flags, const OperationKind *kind,
                        sd_bus_message *call, Error *e) {
        int r = authorize(m, call, image, "remove", NULL, NULL, e);

        return r <= 0 ? r : start(m, kind, image, NULL, flags, 0, call, e);
}

/* With a new name: checked, and one of the details for polkit. */
static int start_named(Manager *m, const Image *image, const char *verb, const char *new_name,
                       uint64_t flags, const OperationKind *kind, sd_bus_message *call, Error *e) {
        if (!image_name_is_valid(new_name))
                return error_set(e, EINVAL, "'%.64s' is not a valid image name", new_name);
        int r = authorize(m, call, image, verb, "new_name", new_name, e);
        return r <= 0 ? r : start(m, kind, image, new_name, flags, 0, call, e);
}

int op_image_remove(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "removing the image", work_remove, finish_empty, 0,
                                            false };

        return start_remove(m, image, 0, &kind, call, e);
}

int op_image_rename(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "renaming the image", work_rename, finish_empty,
                                            QUICK_USEC, false };
        const char *new_name;
        int r = op_read(call, e, "s", &new_name);

        return r < 0 ? r : start_named(m, image, "rename", new_name, 0, &kind, call, e);
}

int op_image_clone(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "cloning the image", work_clone, finish_empty, 0,
                                            false };
        const char *new_name;
        int read_only;
        int r = op_read(call, e, "sb", &new_name, &read_only);

        return r < 0 ? r
                     : start_named(m, image, "clone", new_name, read_only ? FLAG_READ_ONLY : 0,
                                   &kind, call, e);
}

int op_image_read_only(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "marking the image", work_read_only, finish_empty,
                                            QUICK_USEC, false };
        int read_only;
        int r = op_read(call, e, "b", &read_only);

        if (r < 0)
                return r;
        r = authorize(m, call, image, "mark_read_only", "read_only", read_only ? "1" : "0", e);
        return r <= 0 ? r
                      : start(m, &kind, image, NULL, read_only ? FLAG_READ_ONLY : 0, 0, call, e);
}

static int read_limit(sd_bus_message *call, uint64_t *ret, Error *e) {
        int r = op_read(call, e, "t", ret);

        if (r >= 0 && *ret > INT64_MAX && *ret != UINT64_MAX)
                return error_set(e, EINVAL, "the limit is too large");
        return r;
}

int op_image_limit(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "limiting the image", work_limit, finish_empty, 0,
                                            false };
        uint64_t limit;
        int r = read_limit(call, &limit, e);

        if (r >= 0)
                r = authorize(m, call, image, "set_limit", NULL, NULL, e);
        return r <= 0 ? r : start(m, &kind, image, NULL, 0, limit, call, e);
}

static int work_pool_limit(const void *arg, const WorkerOut *out, Error *e) {
        return pool_set_limit(*(const uint64_t *) arg, e);
}

int op_set_pool_limit(Manager *m, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "limiting the pool", work_pool_limit, finish_empty,
                                            QUICK_USEC, false };
        uint64_t limit;
        int r = read_limit(call, &limit, e);

        if (r >= 0)
                r = authorize_pool(m, call, "set_pool_limit", NULL, NULL, e);
        return r <= 0 ? r : operation_start(&m->operations, &kind, call, NULL, &limit, NULL, 0, e);
}

typedef struct Clean {
        bool all;
        bool dry_run;
} Clean;

static int clean_one(const Image *image, const Clean *c, Buf *removed, bool *units, Error *e) {
        _cleanup_(transaction_done) Transaction plan = {};
        bool touched = false;
        int r;

        if (image_is_host(image) || image_is_vendor(image))
                return 0;
        r = c->dry_run ? image_plan_remove(image, 0, &plan, e)
                       : image_remove(image, 0, &touched, e);
        /* In use, or not ours to remove: it stays. */
        if (r == -EBUSY)
                return 0;
        *units |= touched;
        if (r >= 0)
                r = buf_append(removed, &image->usage_exclusive, sizeof image->usage_exclusive);
        if (r >= 0)
                r = put_string(removed, image->name);
        return r < 0 ? error_wrap(e, r, "image '%s'", image->name) : 0;
}

static int work_clean(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(image_list_done) ImageList images = {};
        _cleanup_(buf_done) Buf removed = {};
        const Clean *c = arg;
        bool units = false;

        (void) pool_recover(NULL);
        int r = pool_list(&images, e);
        for (size_t i = 0; r >= 0 && i < images.n; i++)
                if (c->all || image_is_hidden(images.items[i]))
                        r = clean_one(images.items[i], c, &removed, &units, e);
        if (r >= 0 && !c->dry_run)
                (void) pool_sweep(NULL);
        if (r >= 0 && !c->dry_run)
                (void) pool_sweep_partials(NULL);
        return r < 0 ? r : answer(out, units, &removed);
}

static int append_removed(sd_bus_message *reply, const char *at, size_t n) {
        uint64_t usage;
        size_t used = sizeof usage;

        if (n <= sizeof usage)
                return 0;
        memcpy(&usage, at, sizeof usage);
        int r = sd_bus_message_append(reply, "(st)", next(at, n, &used), usage);
        return r < 0 ? r : (int) used;
}

static int finish_clean(sd_bus_message *call, const OperationResult *result, Error *e) {
        return reply_list(call, result, "(st)", append_removed, e);
}

static int start_clean(Manager *m, const char *mode, uint64_t flags, sd_bus_message *call,
                       Error *e) {
        static const OperationKind kind = { "cleaning the pool", work_clean, finish_clean, 0,
                                            false };
        const Clean c = { .all = streq(mode, "all"), .dry_run = flags & FLAG_DRY_RUN };

        if (!c.all && !streq(mode, "hidden"))
                return error_set(e, EINVAL, "'%.32s' is neither hidden nor all", mode);
        int r = authorize_pool(m, call, "clean_pool", "mode", mode, e);
        return r <= 0 ? r : operation_start(&m->operations, &kind, call, NULL, &c, NULL, 0, e);
}

int op_clean_pool(Manager *m, sd_bus_message *call, Error *e) {
        const char *mode;
        int r = op_read(call, e, "s", &mode);

        return r < 0 ? r : start_clean(m, mode, 0, call, e);
}

static int check_flags(uint64_t flags, uint64_t known, Error *e) {
        return flags & ~known ? error_set(e, EINVAL, "there is no flag 0x%jx",
                                          (uintmax_t) (flags & ~known))
                              : 0;
}

int op_clean_pool_flags(Manager *m, sd_bus_message *call, Error *e) {
        const char *mode;
        uint64_t flags;
        int r = op_read(call, e, "st", &mode, &flags);

        if (r >= 0)
                r = check_flags(flags, FLAG_DRY_RUN, e);
        return r < 0 ? r : start_clean(m, mode, flags, call, e);
}

int op_remove_image_flags(Manager *m, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "removing the image", work_remove, finish_steps, 0,
                                            false };
        ImageObject *object;
        const char *name;
        uint64_t flags;
        int r = op_read(call, e, "st", &name, &flags);

        if (r >= 0)
                r = check_flags(flags, FLAG_DRY_RUN | FLAG_KEEP_SETTINGS, e);
        if (r >= 0)
                r = image_object_get(m, name, &object, e);
        return r < 0 ? r : start_remove(m, object->image, flags, &kind, call, e);
}

int op_rename_image_flags(Manager *m, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "renaming the image", work_rename, finish_steps,
                                            QUICK_USEC, false };
        const char *name, *new_name;
        ImageObject *object;
        uint64_t flags;
        int r = op_read(call, e, "sst", &name, &new_name, &flags);

        if (r >= 0)
                r = check_flags(flags, FLAG_DRY_RUN, e);
        if (r >= 0)
                r = image_object_get(m, name, &object, e);
        return r < 0 ? r : start_named(m, object->image, "rename", new_name, flags, &kind, call, e);
}

int op_clone_image_flags(Manager *m, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "cloning the image", work_clone, finish_empty, 0,
                                            false };
        const char *name, *new_name;
        ImageObject *object;
        uint64_t flags;
        int r = op_read(call, e, "sst", &name, &new_name, &flags);

        if (r >= 0)
                r = check_flags(flags, FLAG_READ_ONLY | FLAG_FRESH | FLAG_LAYER, e);
        if (r >= 0)
                r = image_object_get(m, name, &object, e);
        return r < 0 ? r : start_named(m, object->image, "clone", new_name, flags, &kind, call, e);
}

static int work_leftovers(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(pool_leftovers_done) PoolLeftovers others = {};
        _cleanup_(image_list_done) ImageList images = {};
        _cleanup_(buf_done) Buf b = {};
        int r = pool_list_explained(&images, &others, e);

        for (size_t i = 0; r >= 0 && i < others.n; i++) {
                r = put_string(&b, others.items[i].path);
                if (r >= 0)
                        r = put_string(&b, others.items[i].why);
        }
        return r < 0 ? r : answer(out, false, &b);
}

static int append_leftover(sd_bus_message *reply, const char *at, size_t n) {
        size_t used = 0;
        const char *path = next(at, n, &used);
        int r = sd_bus_message_append(reply, "(ss)", path, next(at, n, &used));

        return r < 0 ? r : (int) used;
}

static int finish_leftovers(sd_bus_message *call, const OperationResult *result, Error *e) {
        return reply_list(call, result, "(ss)", append_leftover, e);
}

int op_list_leftovers(Manager *m, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "listing what is no image", work_leftovers,
                                            finish_leftovers, QUICK_USEC, false };
        static const char *const details[] = { "verb", "list_others", NULL };
        int r = polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".inspect-images", details,
                             POLKIT_NOBODY, e);

        return r <= 0 ? r : operation_start(&m->operations, &kind, call, NULL, NULL, NULL, 0, e);
}
