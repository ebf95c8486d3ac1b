/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image objects, see image-object.h. A call is held back while a worker looks for its image, and comes to its
 * handler when that is known, or known not to be there. The pool itself is looked at in the same way, by a name that
 * no image can have. */
#include "machined/image-object.h"

#include "image/quota.h"
#include "machined/op.h"

#define POOL_NAME        ".#pool"
#define LOOK_USEC        ((uint64_t) 30 * 1000000)
#define LOOKUPS_MAX      64
#define LOOKUP_CALLS_MAX 64

/* A worker looks for an image, and these calls wait for it. */
struct ImageLookup {
        ImageLookup *next;
        char *name;
        sd_bus_message *calls[LOOKUP_CALLS_MAX];
        unsigned n_calls;
};

static void image_object_free(ImageObject *o) {
        (void) image_free(o->image);
        free(o->name);
        free(o);
}

void image_object_forget(Manager *m) {
        for (size_t i = 0; i < m->images.size; i++)
                if (m->images.entries[i].value)
                        image_object_free(m->images.entries[i].value);
        map_done(&m->images);
        m->forget_images = sd_event_source_disable_unref(m->forget_images);
}

static int on_idle(sd_event_source *source, void *userdata) {
        image_object_forget(userdata);
        return 0;
}

static int forget_when_idle(Manager *m) {
        if (m->forget_images)
                return 0;
        int r = sd_event_add_defer(m->daemon.event, &m->forget_images, on_idle, m);
        return r < 0 ? r : sd_event_source_set_priority(m->forget_images, SD_EVENT_PRIORITY_IDLE);
}

/* @image is the object's from here on; NULL with @why if there is none. Return: 0 or -ENOMEM. */
static int put(Manager *m, const char *name, Image *image, const Error *why, ImageObject **ret) {
        int r = forget_when_idle(m);
        ImageObject *o = r < 0 ? NULL : calloc(1, sizeof *o);

        if (!o) {
                (void) image_free(image);
                return -ENOMEM;
        }
        *o = (ImageObject){ .manager = m, .image = image, .name = strdup(name) };
        if (why)
                o->error = *why;
        if (!o->name || map_put(&m->images, o->name, o) < 0) {
                image_object_free(o);
                return -ENOMEM;
        }
        *ret = o;
        return 0;
}

int image_object_get(Manager *m, const char *name, ImageObject **ret, Error *e) {
        ImageObject *o = image_name_is_valid(name) ? map_get(&m->images, name) : NULL;
        Image *image = NULL;

        if (o && !o->image) {
                if (e)
                        *e = o->error;
                return o->error.code;
        }
        if (o) {
                *ret = o;
                return 0;
        }

        int r = pool_find(name, &image, e);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(e, ERR_NO_SUCH_IMAGE, "No image '%.64s' known", name);
        return put(m, name, image, NULL, ret) < 0 ? error_oom(e) : 0;
}

int image_object_pool(Manager *m, PoolUsage *ret) {
        ImageObject *o = map_get(&m->images, POOL_NAME);

        if (!o || !o->image)
                return -ENODATA;
        *ret = (PoolUsage){ .usage = o->image->usage, .limit = o->image->limit };
        return 0;
}

/* Return: 1 found; 0 there is none; -errno. */
static int look(const char *name, Image **ret, Error *e) {
        PoolUsage usage;

        if (!streq(name, POOL_NAME)) {
                int r = pool_find(name, ret, e);
                if (r > 0)
                        image_read_quota(*ret);
                return r;
        }
        Image *pool = calloc(1, sizeof *pool);
        if (!pool || !(pool->name = strdup(name))) {
                (void) image_free(pool);
                return error_oom(e);
        }
        pool_usage(&usage);
        pool->usage = usage.usage;
        pool->limit = usage.limit;
        *ret = pool;
        return 1;
}

/* From the worker comes the image as it is in memory, and then its strings. */

static int work(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(buf_done) Buf b = {};
        _cleanup_image_ Image *image = NULL;
        const char *name = arg;
        int r = look(name, &image, e);

        if (r < 0)
                return r;
        if (r == 0)
                return error_set(e, ERR_NO_SUCH_IMAGE, "No image '%.64s' known", name);
        const char *const strings[] = { image->name, image->path, image->directory, image->entry };
        r = buf_append(&b, image, sizeof *image);
        for (size_t i = 0; i < ELEMENTSOF(strings) && r >= 0; i++)
                r = buf_append(&b, strempty(strings[i]), strlen(strempty(strings[i])) + 1);
        return r < 0 ? r : operation_send_text(out, b.p, b.n);
}

static int read_image(const OperationResult *result, Image **ret) {
        Image *image = malloc(sizeof *image);
        const char *s = result->text + sizeof *image, *end = result->text + result->n_text;
        int r = 0;

        if (!image)
                return -ENOMEM;
        memcpy(image, result->text, sizeof *image);
        char **const strings[] = { &image->name, &image->path, &image->directory, &image->entry };
        for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
                *strings[i] = NULL;
                if (s < end && *s && !(*strings[i] = strdup(s)))
                        r = -ENOMEM;
                s += s < end ? strlen(s) + 1 : 0;
        }
        if (r < 0)
                image = image_free(image);
        *ret = image;
        return r;
}

static ImageLookup *lookup_free(ImageLookup *l) {
        for (unsigned i = 0; l && i < l->n_calls; i++)
                sd_bus_message_unref(l->calls[i]);
        if (l)
                free(l->name);
        free(l);
        return NULL;
}

static void done(void *userdata, const char *name, int r, const OperationResult *result,
                 const Error *e) {
        Manager *m = userdata;
        Error own = {};
        Image *image = NULL;
        ImageObject *o;

        if (r >= 0)
                r = read_image(result, &image);
        if (r < 0 && !error_is_set(e)) {
                (void) error_set(&own, r, "cannot look for image '%.64s': %m", name);
                e = &own;
        }
        /* A call that finds nothing of it looks for itself. */
        if (!map_get(&m->images, name))
                (void) put(m, name, image, r < 0 ? e : NULL, &o);
        else
                (void) image_free(image);

        for (ImageLookup **l = &m->image_lookups; *l; l = &(*l)->next) {
                ImageLookup *found = *l;

                if (!streq(found->name, name))
                        continue;
                *l = found->next;
                for (unsigned i = 0; i < found->n_calls; i++)
                        if (sd_bus_enqueue_for_read(sd_bus_message_get_bus(found->calls[i]),
                                                    found->calls[i]) < 0)
                                (void) bus_error_reply(found->calls[i], -EIO, NULL);
                (void) lookup_free(found);
                break;
        }
}

static int begin(Manager *m, const char *name, ImageLookup **ret) {
        static const OperationKind kind = { .what = "looking for the image",
                                            .work = work,
                                            .timeout_usec = LOOK_USEC,
                                            .done_subject = done };
        unsigned n = 0;

        for (ImageLookup *l = m->image_lookups; l; l = l->next, n++)
                if (streq(l->name, name)) {
                        *ret = l;
                        return 0;
                }
        ImageLookup *l = n >= LOOKUPS_MAX ? NULL : calloc(1, sizeof *l);
        if (!l || !(l->name = strdup(name))) {
                (void) lookup_free(l);
                return -ENOBUFS;
        }
        int r = operation_start_own(&m->operations, &kind, NULL, name, NULL, 0, NULL);
        if (r < 0) {
                (void) lookup_free(l);
                return r;
        }
        operation_set_subject(&m->operations, name);
        l->next = m->image_lookups;
        *ret = m->image_lookups = l;
        return 0;
}

#define BY_NAME(own, by_name, in, in_names, out, out_names, op) by_name,

/* Whether a call asks for what the pool takes or may take. */
static bool asks_for_pool(sd_bus_message *call) {
        const char *path = sd_bus_message_get_path(call), *member = sd_bus_message_get_member(call);
        const char *interface, *property = "PoolUsage";

        if (!path || !member || !sd_bus_message_is_method_call(call, NULL, NULL) ||
            !streq_ptr(sd_bus_message_get_interface(call), "org.freedesktop.DBus.Properties") ||
            !streq(path, BUS_MACHINE1_PATH))
                return false;
        bool one = streq(member, "Get");
        int r = !one && !streq(member, "GetAll") ? 0
                : one ? sd_bus_message_read(call, "ss", &interface, &property)
                      : sd_bus_message_read(call, "s", &interface);
        (void) sd_bus_message_rewind(call, true);
        return r > 0 && (*interface == '\0' || streq(interface, BUS_MACHINE1_MANAGER)) &&
               (streq(property, "PoolUsage") || streq(property, "PoolLimit"));
}

/* Return: the name of the image that a call is about, a new string; NULL = it is about none. */
static char *find_name(sd_bus_message *call) {
        static const char *const members[] = { "GetImage", IMAGE_OPS(BY_NAME) NULL };
        const char *path = sd_bus_message_get_path(call), *member = sd_bus_message_get_member(call);
        const char *name;
        char *from_path = NULL;

        if (!path || !member || !sd_bus_message_is_method_call(call, NULL, NULL))
                return NULL;
        if (sd_bus_path_decode(path, BUS_MACHINE1_IMAGE, &from_path) > 0)
                return from_path;
        if (!streq(path, BUS_MACHINE1_PATH) ||
            !(streq_ptr(sd_bus_message_get_interface(call), BUS_MACHINE1_MANAGER) ||
              streq_ptr(sd_bus_message_get_interface(call), BUS_SKEP_MANAGER1)) ||
            !strv_contains((char *const *) members, member) ||
            sd_bus_message_read(call, "s", &name) <= 0)
                return NULL;
        from_path = strdup(name);
        (void) sd_bus_message_rewind(call, true);
        return from_path;
}

static int on_message(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        const bool pool = asks_for_pool(call);
        _cleanup_free_ char *name = pool ? strdup(POOL_NAME) : find_name(call);
        ImageLookup *l = NULL;
        Manager *m = userdata;

        if (!name || (!pool && !image_name_is_valid(name)) || streq(name, IMAGE_HOST_NAME) ||
            map_get(&m->images, name))
                return 0;
        /* That has to be known in the end, and what is found is not kept for so long. */
        if (polkit_find_caller(m->daemon.polkit, call, NULL, NULL, NULL) == 0)
                return 1;
        if (begin(m, name, &l) < 0 || l->n_calls >= LOOKUP_CALLS_MAX) {
                Error e = {};
                int r = error_set(&e, ENOBUFS, "too many calls wait for images");
                (void) bus_error_reply(call, r, &e);
                return 1;
        }
        l->calls[l->n_calls++] = sd_bus_message_ref(call);
        return 1;
}

int image_object_watch(Manager *m, sd_bus *bus, Error *e) {
        int r = sd_bus_add_filter(bus, NULL, on_message, m);

        return r < 0 ? error_set(e, r, "cannot watch for calls about images: %m") : 0;
}

void image_object_stop(Manager *m) {
        while (m->image_lookups) {
                ImageLookup *l = m->image_lookups;

                m->image_lookups = l->next;
                (void) lookup_free(l);
        }
}
