/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images on the bus, to be looked at. What an image is is in src/image; all that reads more than one directory
 * entry is done by workers. How images are changed is op-image-change.c's. */
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include "base/confine.h"
#include "image/disk-root.h"
#include "image/metadata.h"
#include "image/pool.h"
#include "image/quota.h"
#include "image/stack-root.h"
#include "machined/op.h"
#include "machined/privacy.h"

#define QUERY_USEC ((uint64_t) 30 * 1000000)

int op_get_image(Manager *m, sd_bus_message *call, Error *e) {
        _cleanup_free_ char *path = NULL;
        ImageObject *object;
        const char *name;
        int r = op_read(call, e, "s", &name);

        if (r >= 0)
                r = image_object_get(m, name, &object, e);
        if (r < 0)
                return r;
        r = sd_bus_path_encode(BUS_MACHINE1_IMAGE, name, &path);
        if (r >= 0)
                r = sd_bus_reply_method_return(call, "o", path);
        return op_sent(r, e);
}

/* An image of the list on its way from the worker; the name follows, with its NUL. */
typedef struct Row {
        uint64_t crtime, mtime, usage;
        uint32_t type, read_only;
} Row;

static int work_list(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(image_list_done) ImageList images = {};
        _cleanup_(buf_done) Buf b = {};
        const bool reveals = *(const bool *) arg;
        int r = pool_list(&images, e);

        for (size_t i = 0; r >= 0 && i < images.n; i++) {
                Image *image = images.items[i];
                if (reveals)
                        image_read_quota(image);
                const Row row = { reveals ? image->crtime_usec : 0, reveals ? image->mtime_usec : 0,
                                  reveals ? image->usage : UINT64_MAX, image->type,
                                  reveals && image->read_only };
                r = buf_append(&b, &row, sizeof row);
                if (r >= 0)
                        r = buf_append(&b, image->name, strlen(image->name) + 1);
        }
        return r < 0 ? r : operation_send_text(out, b.p, b.n);
}

static int append_row(sd_bus_message *reply, const char *at, size_t n) {
        _cleanup_free_ char *path = NULL;
        const char *name = at + sizeof(Row);
        Row row;

        if (n <= sizeof row)
                return 0;
        memcpy(&row, at, sizeof row);
        int r = sd_bus_path_encode(BUS_MACHINE1_IMAGE, name, &path);
        if (r >= 0)
                r = sd_bus_message_append(reply, "(ssbttto)", name,
                                          image_type_name((ImageType) row.type),
                                          (int) row.read_only, row.crtime, row.mtime, row.usage,
                                          path);
        return r < 0 ? r : (int) (sizeof row + strlen(name) + 1);
}

static int finish_list(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "(ssbttto)", append_row, e);
}

int op_list_images(Manager *m, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "listing images", work_list, finish_list, QUERY_USEC,
                                            false };

        /* Who may not look into them is told what they are called and of which type they are. */
        int r = privacy_check_images(m, call, "list", NULL);
        if (r == 0)
                return 0;
        const bool reveals = r > 0;
        return operation_start(&m->operations, &kind, call, NULL, &reveals, NULL, 0, e);
}

/* The worker looks the image up again; all it gets is the name. */
static int start_query(Manager *m, const OperationKind *kind, const Image *image,
                       sd_bus_message *call, Error *e) {
        int r = operation_start(&m->operations, kind, call, NULL, image->name, NULL, 0, e);

        if (r > 0)
                operation_set_subject(&m->operations, image->name);
        return r;
}

static int find(const char *name, Image **ret, Error *e) {
        int r = pool_find(name, ret, e);

        return r == 0 ? error_set(e, ERR_NO_SUCH_IMAGE, "No image '%s' known", name) : r;
}

/* What reading files of a tree takes, and telling what is in them. */
static const ConfineCall reader_calls[] = {
        { SYS_openat, 0 },     { SYS_openat2, 0 }, { SYS_read, 0 },    { SYS_lseek, 0 },
        { SYS_close, 0 },      { SYS_write, 0 },   { SYS_sendmsg, 0 },
#ifdef SYS__llseek
        { SYS__llseek, 0 },
#endif
#ifdef SYS_fstat
        { SYS_fstat, 0 },
#endif
#ifdef SYS_fstat64
        { SYS_fstat64, 0 },
#endif
#ifdef SYS_newfstatat
        { SYS_newfstatat, 0 },
#endif
#ifdef SYS_fstatat64
        { SYS_fstatat64, 0 },
#endif
#ifdef SYS_statx
        { SYS_statx, 0 },
#endif
};

/* What is read from here on may be anybody's: whatever it makes of this process, that can read below @root_fd and
 * answer. */
static int confine_reader(int root_fd, Error *e) {
        int r = confine_privileges(e);

        if (r >= 0)
                r = confine_paths(root_fd, e);
        if (r >= 0)
                r = confine_capabilities(UINT64_C(1) << CAP_DAC_READ_SEARCH, e);
        if (r >= 0)
                r = confine_calls(reader_calls, ELEMENTSOF(reader_calls), e);
        return MIN(r, 0);
}

static int open_any(const Image *image, Error *e) {
        if (image->type == IMAGE_RAW || image->type == IMAGE_BLOCK)
                return disk_root_open(image->path, e);
        if (image->type == IMAGE_MSTACK)
                return stack_root_open(image->path, e);
        int fd = open(image->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open %s: %m", image->path) : fd;
}

/* Opens the image's tree, and gives up all that looking into it does not take.
 * Return: a descriptor, or -errno. */
static int open_tree_of(const char *name, Error *e) {
        _cleanup_image_ Image *image = NULL;
        int r = find(name, &image, e);

        if (r < 0)
                return r;
        _cleanup_fd_ int root = open_any(image, e);
        if (root < 0)
                return root;
        r = confine_reader(root, e);
        return r < 0 ? r : TAKE_FD(root);
}

static int work_os_release(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_strv_ char **v = NULL;
        _cleanup_fd_ int root = open_tree_of(arg, e);

        if (root < 0)
                return root;
        int r = metadata_os_release(root, &v, e);
        return r < 0 && r != -ENOENT ? r : op_send_assignments(out, v);
}

static int work_machine_info(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_strv_ char **v = NULL;
        _cleanup_fd_ int root = open_tree_of(arg, e);

        if (root < 0)
                return root;
        int r = metadata_machine_info(root, &v, e);
        return r < 0 ? r : op_send_assignments(out, v);
}

static int work_hostname(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_free_ char *name = NULL;
        _cleanup_fd_ int root = open_tree_of(arg, e);

        if (root < 0)
                return root;
        int r = metadata_hostname(root, &name, e);
        return r < 0 ? r : operation_send_text(out, strempty(name), strlen(strempty(name)));
}

static int work_machine_id(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_fd_ int root = open_tree_of(arg, e);
        Id128 id;

        if (root < 0)
                return root;
        int r = metadata_machine_id(root, &id, e);
        if (r < 0 || id128_is_null(&id))
                return r;
        return operation_send_text(out, id.bytes, sizeof id.bytes);
}

static int finish_text(sd_bus_message *call, const OperationResult *result, Error *e) {
        return op_sent(sd_bus_reply_method_return(call, "s", result->text), e);
}

static int finish_bytes(sd_bus_message *call, const OperationResult *result, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(call, &reply);

        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', result->text, result->n_text);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        return op_sent(r, e);
}

int op_image_hostname(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading the host name", work_hostname, finish_text,
                                            QUERY_USEC, false };

        int r = privacy_check_image(m, call, image, "get_hostname", e);
        return r <= 0 ? r : start_query(m, &kind, image, call, e);
}

int op_image_machine_id(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading the machine ID", work_machine_id, finish_bytes,
                                            QUERY_USEC, false };

        int r = privacy_check_image(m, call, image, "get_machine_id", e);
        return r <= 0 ? r : start_query(m, &kind, image, call, e);
}

int op_image_machine_info(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading machine-info", work_machine_info,
                                            op_finish_assignments, QUERY_USEC, false };

        int r = privacy_check_image(m, call, image, "get_machine_info", e);
        return r <= 0 ? r : start_query(m, &kind, image, call, e);
}

int op_image_os_release(Manager *m, const Image *image, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading os-release", work_os_release,
                                            op_finish_assignments, QUERY_USEC, false };

        int r = privacy_check_image(m, call, image, "get_os_release", e);
        return r <= 0 ? r : start_query(m, &kind, image, call, e);
}
