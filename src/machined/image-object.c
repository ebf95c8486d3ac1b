/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image objects, see image-object.h. */
#include "machined/image-object.h"

#include "image/pool.h"

static void image_object_free(ImageObject *o) {
        (void) image_free(o->image);
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

int image_object_get(Manager *m, const char *name, ImageObject **ret, Error *e) {
        _cleanup_image_ Image *image = NULL;
        ImageObject *o = map_get(&m->images, name);

        if (o) {
                *ret = o;
                return 0;
        }

        int r = pool_find(name, &image, e);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(e, ERR_NO_SUCH_IMAGE, "No image '%.64s' known", name);

        r = forget_when_idle(m);
        o = r < 0 ? NULL : calloc(1, sizeof *o);
        if (!o)
                return error_oom(e);
        *o = (ImageObject){ m, TAKE_PTR(image) };
        if (map_put(&m->images, o->image->name, o) < 0) {
                image_object_free(o);
                return error_oom(e);
        }
        *ret = o;
        return 0;
}
