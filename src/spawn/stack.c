/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts stacks together, see stack.h. To know what is in one before there is a builder, it is put together
 * once more, read-only, by a child in a mount namespace of its own. */
#include "spawn/stack.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/path.h"
#include "base/mount-child.h"
#include "spawn/mount.h"
#include "spawn/overlay.h"
#include "spawn/owners.h"

#define CLONE_ALL    (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH)
#define DIRECTORY_FD (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* How a stack is put together: as it will be, or to be looked at. */
typedef struct Build {
        const Stack *stack;
        const IdPlan *ids; /* NULL = not mapped */
        bool writable;
        Run *run;
} Build;

void stack_init(Stack *s) {
        *s = (Stack){ .dir_fd = -EBADF, .usr_fd = -EBADF };
}

void stack_unmount(Stack *s) {
        for (size_t i = 0; i < s->found.n; i++)
                s->parts[i].mount_fd = fd_close(s->parts[i].mount_fd);
}

void stack_done(Stack *s) {
        stack_unmount(s);
        for (size_t i = 0; i < s->found.n; i++) {
                (void) fd_close(s->parts[i].path_fd);
                disk_done(&s->parts[i].disk);
        }
        free(s->parts);
        mstack_done(&s->found);
        s->dir_fd = fd_close(s->dir_fd);
        s->usr_fd = fd_close(s->usr_fd);
        stack_init(s);
}

static bool is_writable(const Spec *spec, const MstackEntry *entry) {
        return spec_writes_image(spec) && entry->type != MSTACK_LAYER &&
               entry->type != MSTACK_ROBIND;
}

static int open_part(const Spec *spec, const Stack *s, StackPart *p, Error *e) {
        _cleanup_free_ char *path = path_join(spec->directory, p->entry->name);
        Spec part = *spec;

        if (!path)
                return error_oom(e);
        if (p->entry->is_disk) {
                part.image = path;
                part.read_only = !is_writable(spec, p->entry);
                return disk_open(&part, &p->disk, e);
        }
        p->path_fd = openat(s->dir_fd, p->entry->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return p->path_fd < 0 ? error_set(e, errno, "cannot open '%s': %m", path) : 0;
}

static int open_all(const Spec *spec, Stack *s, Error *e) {
        s->dir_fd = open(spec->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->dir_fd < 0)
                return error_set(e, errno, "cannot open it: %m");
        int r = mstack_read(s->dir_fd, &s->found, e);
        if (r < 0)
                return r;
        s->parts = calloc(s->found.n, sizeof *s->parts);
        if (!s->parts) {
                mstack_done(&s->found);
                return error_oom(e);
        }
        for (size_t i = 0; i < s->found.n; i++) {
                s->parts[i] = (StackPart){ .entry = s->found.entries + i,
                                           .path_fd = -EBADF,
                                           .mount_fd = -EBADF };
                disk_init(&s->parts[i].disk);
        }
        for (size_t i = 0; i < s->found.n && r >= 0; i++)
                r = open_part(spec, s, s->parts + i, e);
        return r;
}

static StackPart *find(const Stack *s, MstackType type, const char *place) {
        const MstackEntry *entry = mstack_find(&s->found, type, place);

        return entry ? s->parts + (entry - s->found.entries) : NULL;
}

int stack_open(const Spec *spec, Stack *s, Error *e) {
        int r = open_all(spec, s, e);

        if (r >= 0 && spec->volatile_mode == VOLATILE_YES && find(s, MSTACK_ROOT, NULL))
                r = error_set(e, EINVAL,
                              "it has a root of its own, so --volatile=yes is not for it");
        return r < 0 ? error_wrap(e, r, "stack '%s'", spec->directory) : 0;
}

static int mount_part(const Spec *spec, StackPart *p, Buf *notes, Error *e) {
        Run part_run = RUN_NULL;
        Spec part = *spec;

        if (!p->entry->is_disk) {
                p->mount_fd = open_tree(p->path_fd, "", CLONE_ALL);
                return p->mount_fd < 0 ? error_set(e, errno, "cannot copy the mount of '%s': %m",
                                                   p->entry->name)
                                       : 0;
        }
        part.image = p->entry->name;
        int r = disk_mount_all(&part, &p->disk, &part_run, notes, e);
        if (r < 0)
                return r;
        p->mount_fd = TAKE_FD(part_run.root_fd);
        disk_unmount(&p->disk);
        return 0;
}

static int mount_all(const Spec *spec, Stack *s, Buf *notes, Error *e) {
        stack_unmount(s);
        for (size_t i = 0; i < s->found.n; i++) {
                int r = mount_part(spec, s->parts + i, notes, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A root of its own needs a place for /usr. */
static int prepare_root(const Stack *s, Error *e) {
        const StackPart *root = find(s, MSTACK_ROOT, NULL);
        struct stat st;

        if (!root || mkdirat(root->mount_fd, "usr", 0755) < 0)
                return !root || errno == EEXIST ? 0
                                                : error_set(e, errno, "cannot make 'root/usr': %m");
        return fstat(root->mount_fd, &st) < 0 || fchownat(root->mount_fd, "usr", st.st_uid,
                                                          st.st_gid, AT_SYMLINK_NOFOLLOW) < 0
                       ? error_set(e, errno, "cannot make 'root/usr': %m")
                       : 0;
}

/* A folder for changes has what an overlay needs when it is first used: it may be made empty. */
static int prepare_rw(const Stack *s, Error *e) {
        const StackPart *rw = find(s, MSTACK_RW, NULL), *top = NULL;
        struct stat st = { .st_mode = 0755 };

        for (size_t i = 0; i < s->found.n; i++)
                if (s->parts[i].entry->type == MSTACK_LAYER)
                        top = s->parts + i;
        if (!rw)
                return 0;
        if (top && fstat(top->mount_fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", top->entry->name);
        if (mkdirat(rw->mount_fd, "data", 0700) >= 0) {
                if (fchmodat(rw->mount_fd, "data", st.st_mode & 07777, 0) < 0 ||
                    fchownat(rw->mount_fd, "data", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
                        return error_set(e, errno, "cannot make 'rw/data': %m");
        } else if (errno != EEXIST)
                return error_set(e, errno, "cannot make 'rw/data': %m");
        if (mkdirat(rw->mount_fd, "work", 0700) < 0 && errno != EEXIST)
                return error_set(e, errno, "cannot make 'rw/work': %m");
        return 0;
}

/* Gives a part that is still detached what it is to have. */
static int dress(const Build *b, const StackPart *p, bool writable, Error *e) {
        struct mount_attr attr = { .attr_set = writable ? 0 : MOUNT_ATTR_RDONLY,
                                   .propagation = MS_PRIVATE };
        IdPlan ids = {};

        if (b->ids)
                ids = *b->ids;
        ids.or_chown = false;
        int r = owners_set_attributes(&ids, b->run->userns_fd, p->mount_fd, &attr, e);
        return r < 0 ? error_wrap(e, r, "'%s'", p->entry->name) : 0;
}

static int attach(const Build *b, const StackPart *p, Error *e) {
        int r = mount_attach_at(p->mount_fd, AT_FDCWD, b->run->runtime);

        return r < 0 ? error_set(e, r, "cannot attach '%s': %m", p->entry->name) : 0;
}

static int open_below(const StackPart *p, const char *name, int *ret, Error *e) {
        int fd = openat(p->mount_fd, name, DIRECTORY_FD);

        if (fd < 0)
                return error_set(e, errno, "cannot open '%s/%s': %m", p->entry->name, name);
        *ret = fd;
        return 0;
}

static int copy(int fd, Error *e) {
        int tree = open_tree(fd, "", CLONE_ALL);

        return tree < 0 ? error_set(e, errno, "cannot copy a mount: %m") : tree;
}

/* Dresses and attaches layers and what is for changes, and opens them.
 * @lowers: room for all of them
 * @attached: grows by how many now lie on one another
 * @ret_upper, @ret_work: -EBADF = read-only */
static int open_layers(const Build *b, int *lowers, size_t *ret_n, size_t *attached, int *ret_upper,
                       int *ret_work, Error *e) {
        const Stack *s = b->stack;
        size_t n = 0;
        int r = 0;

        assert_se(s->parts || s->found.n == 0);
        *ret_upper = *ret_work = -EBADF;
        for (size_t i = 0; i < s->found.n && r >= 0; i++) {
                const StackPart *p = s->parts + i;
                bool rw = p->entry->type == MSTACK_RW;

                if (p->entry->type != MSTACK_LAYER && !rw)
                        continue;
                r = dress(b, p, rw && b->writable, e);
                if (r >= 0)
                        r = attach(b, p, e);
                if (r < 0)
                        break;
                ++*attached;
                if (!rw)
                        lowers[n++] = p->mount_fd;
                else if (!b->writable) {
                        /* Nothing was ever changed: there is no such layer. */
                        if (faccessat(p->mount_fd, "data", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                                continue;
                        r = open_below(p, "data", lowers + n++, e);
                } else {
                        r = open_below(p, "data", ret_upper, e);
                        if (r >= 0)
                                r = open_below(p, "work", ret_work, e);
                }
        }
        *ret_n = n;
        return r;
}

static int stack_up(const Build *b, const int *lowers, size_t n, int upper, int work, Error *e) {
        if (n == 0)
                return copy(upper, e);
        if (n == 1 && upper < 0)
                return copy(lowers[0], e);
        return overlay_new_as_owner(lowers, n, upper, work, upper < 0 ? MOUNT_ATTR_RDONLY : 0,
                                    b->run, e);
}

/* Return: what the layers look like together, detached; -ENOENT there are none; -errno. */
static int build_layers(const Build *b, Error *e) {
        _cleanup_free_ int *lowers = calloc(b->stack->found.n, sizeof *lowers);
        size_t n, attached = 0;
        int upper, work, r;

        if (!lowers)
                return error_oom(e);
        r = open_layers(b, lowers, &n, &attached, &upper, &work, e);
        if (r < 0)
                return r;
        if (attached == 0)
                return -ENOENT;
        int fd = n == 0 && upper < 0 ? -ENOENT : stack_up(b, lowers, n, upper, work, e);
        /* Something else may want to be found there. */
        for (; attached > 0; attached--)
                (void) umount2(b->run->runtime, MNT_DETACH);
        return fd;
}

static StackPart *find_bind(const Stack *s, const char *place) {
        StackPart *p = find(s, MSTACK_BIND, place);

        return p ? p : find(s, MSTACK_ROBIND, place);
}

static int build_from(const Build *b, const StackPart *p, Error *e) {
        int r = dress(b, p, b->writable && p->entry->type != MSTACK_ROBIND, e);

        if (r < 0)
                return r;
        int fd = fcntl(p->mount_fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? error_set(e, errno, "cannot keep '%s': %m", p->entry->name) : fd;
}

/* Return: the root, detached, and what is to be /usr in it, or -EBADF; -errno. */
static int build(const Build *b, int *ret_usr, Error *e) {
        const StackPart *over = find_bind(b->stack, "/"), *root = find(b->stack, MSTACK_ROOT, NULL);

        *ret_usr = -EBADF;
        if (over)
                return build_from(b, over, e);
        int layers = build_layers(b, e);
        if (layers < 0 && layers != -ENOENT)
                return layers;
        if (!root && layers >= 0)
                return layers;
        if (!root)
                return mount_new("tmpfs", "mode=0755", 0, e);
        *ret_usr = layers;
        return build_from(b, root, e);
}

/* Makes a mount point as root of the machine, for which it is. */
static int open_target(const char *place, const Run *run) {
        int fd = path_open_in_root(run->root_fd, place, O_PATH | O_DIRECTORY, 0);

        if (fd != -ENOENT)
                return fd;
        fd = mount_act_as(run->uid_base);
        if (fd >= 0)
                fd = path_mkdirs_in_root(run->root_fd, place, 0755, run->uid_base, run->uid_base);
        (void) mount_act_as(0);
        return fd;
}

/* Shows /usr of the layers in the root. */
static int attach_usr(int layers, const Run *run, Error *e) {
        int r = mount_attach_at(layers, AT_FDCWD, run->runtime);

        if (r < 0)
                return error_set(e, r, "cannot attach the layers: %m");
        _cleanup_fd_ int there = path_open_in_root(layers, "/usr", O_PATH | O_DIRECTORY, 0);
        if (there < 0)
                return error_set(e, there, "the layers have no /usr: %m");
        _cleanup_fd_ int usr = copy(there, e);
        if (usr < 0)
                return usr;
        /* It would be on top of the root. */
        if (umount2(run->runtime, MNT_DETACH) < 0)
                return error_set(e, errno, "cannot detach the layers: %m");
        _cleanup_fd_ int target = open_target("/usr", run);
        r = target < 0 ? target : mount_attach(usr, target);
        return r < 0 ? error_set(e, r, "cannot show /usr in the root of the stack: %m") : 0;
}

/* In a child: the whole as one detached tree. */
static int build_to_look_at(const Stack *s, Run *run, Error *e) {
        struct mount_attr attr = { .propagation = MS_PRIVATE };
        const Build b = { .stack = s, .run = run };
        int usr, r;

        /* Where nothing is to be started, nothing was prepared. */
        if (!run->runtime)
                run->runtime = strdup("/tmp");
        if (!run->runtime)
                return error_oom(e);
        if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot leave the host's mount propagation: %m");
        int fd = build(&b, &usr, e);
        if (fd < 0)
                return fd;
        r = mount_attach_at(fd, AT_FDCWD, run->runtime);
        if (r < 0)
                return error_set(e, r, "cannot attach the root: %m");
        run->root_fd = fd;
        r = usr >= 0 ? attach_usr(usr, run, e) : 0;
        return r < 0 ? r : copy(fd, e);
}

/* One more mount of a part. A disk that is written to must not be mounted from a second loop device: neither
 * would know what the other one does. */
static int mount_again(const Spec *spec, const StackPart *p, Error *e) {
        StackPart twin = *p;
        Error problem = {};
        int fd = open_tree(p->entry->is_disk ? p->mount_fd : p->path_fd, "", CLONE_ALL);

        if (fd >= 0)
                return fd;
        if (!p->entry->is_disk || errno != EINVAL)
                return error_set(e, errno, "cannot copy the mount of '%s': %m", p->entry->name);
        if (is_writable(spec, p->entry))
                return error_set(e, EOPNOTSUPP, "'%s' is written to, which needs Linux 6.15",
                                 p->entry->name);
        _cleanup_(buf_done) Buf notes = {};
        int r = mount_part(spec, &twin, &notes, &problem);
        if (r < 0 && e)
                *e = problem;
        return r < 0 ? r : twin.mount_fd;
}

/* What the child attaches is used up. */
static int open_twins(const Spec *spec, const Stack *s, int *twins, Error *e) {
        for (size_t i = 0; i < s->found.n; i++) {
                int r = twins[i] = mount_again(spec, s->parts + i, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

typedef struct Look {
        const Stack *stack;
        const int *twins;
        Run *run;
} Look;

static int look(void *userdata, Error *e) {
        const Look *l = userdata;

        for (size_t i = 0; i < l->stack->found.n; i++)
                l->stack->parts[i].mount_fd = l->twins[i];
        return build_to_look_at(l->stack, l->run, e);
}

static int look_at_whole(const Spec *spec, const Stack *s, Run *run, Error *e) {
        _cleanup_free_ int *twins = malloc(s->found.n * sizeof *twins);

        if (!twins)
                return error_oom(e);
        for (size_t i = 0; i < s->found.n; i++)
                twins[i] = -EBADF;
        run->root_fd = fd_close(run->root_fd);
        int r = open_twins(spec, s, twins, e);
        if (r >= 0)
                r = mount_child(look, &(Look){ s, twins, run }, &run->root_fd, e);
        for (size_t i = 0; i < s->found.n; i++)
                (void) fd_close(twins[i]);
        return r;
}

int stack_mount_all(const Spec *spec, Stack *s, Run *run, Buf *notes, Error *e) {
        int r = mount_all(spec, s, notes, e);

        if (r >= 0 && spec_writes_image(spec) && !spec->dry_run) {
                r = prepare_rw(s, e);
                if (r >= 0)
                        r = prepare_root(s, e);
        }
        if (r >= 0)
                r = look_at_whole(spec, s, run, e);
        return r < 0 ? error_wrap(e, r, "stack '%s'", spec->directory) : 0;
}

int stack_build(const Spec *spec, const IdPlan *ids, Stack *s, Run *run, Error *e) {
        const Build b = { .stack = s, .ids = ids, .writable = spec_writes_image(spec), .run = run };
        int fd = build(&b, &s->usr_fd, e);

        if (fd < 0)
                return error_wrap(e, fd, "stack '%s'", spec->directory);
        (void) fd_close(run->root_fd);
        run->root_fd = fd;
        return 0;
}

static int attach_bind(const Build *b, const StackPart *p, Error *e) {
        int r = dress(b, p, b->writable && p->entry->type == MSTACK_BIND, e);

        if (r < 0)
                return r;
        _cleanup_fd_ int target = open_target(p->entry->place, b->run);
        r = target < 0 ? target : mount_attach(p->mount_fd, target);
        return r < 0 ? error_set(e, r, "cannot show '%s' at '%s': %m", p->entry->name,
                                 p->entry->place)
                     : 0;
}

int stack_attach(const Spec *spec, const IdPlan *ids, const Stack *s, Run *run, Error *e) {
        const Build b = { .stack = s, .ids = ids, .writable = spec_writes_image(spec), .run = run };
        int r = s->usr_fd >= 0 ? attach_usr(s->usr_fd, run, e) : 0;

        for (size_t i = 0; i < s->found.n && r >= 0; i++) {
                const char *place = s->parts[i].entry->place;
                if (place && !streq(place, "/"))
                        r = attach_bind(&b, s->parts + i, e);
        }
        return r < 0 ? error_wrap(e, r, "stack '%s'", spec->directory) : 0;
}
