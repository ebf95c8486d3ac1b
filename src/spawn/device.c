/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of the host for a machine, see device.h. A device is never opened here: to open some is to
 * start something. What the policy says is asked with access(2), which heeds it. */
#include "spawn/device.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "spawn/users.h"

#define DEPTH_MAX 8 /* of folders within a folder that is given */

static const struct {
        char letter;
        unsigned bit;
        const char *verb;
} letters[] = {
        { 'r', DEVICE_READ, "reading" },
        { 'w', DEVICE_WRITE, "writing" },
        { 'm', DEVICE_MKNOD, "making nodes" },
};

/* Settings */

static int parse_access(const char *s, unsigned *ret) {
        unsigned access = 0;

        for (; *s; s++) {
                unsigned bit = 0;
                for (size_t i = 0; i < ELEMENTSOF(letters); i++)
                        if (letters[i].letter == *s)
                                bit = letters[i].bit;
                if (bit == 0 || access & bit)
                        return -EINVAL;
                access |= bit;
        }
        if (!(access & (DEVICE_READ | DEVICE_WRITE)))
                return -EINVAL;
        *ret = access;
        return 0;
}

static void device_done(Device *d) {
        free(d->source);
        free(d->target);
}

void device_list_done(DeviceList *l) {
        for (size_t i = 0; i < l->n; i++)
                device_done(l->v + i);
        free(l->v);
        *l = (DeviceList){};
}

/* "PATH", "PATH:TARGET", "PATH:ACCESS" or "PATH:TARGET:ACCESS" */
static int parse_device(const char *value, Device *ret, Error *e) {
        _cleanup_strv_ char **parts = NULL;
        const Setting row = {};
        int r = str_split_colon(value, &parts);
        size_t n = strv_length(parts);

        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0 || n < 1 || n > 3)
                return error_set(e, EINVAL, "'%.200s' is not PATH[:TARGET][:ACCESS]", value);
        const char *last = n > 1 ? parts[n - 1] : NULL;
        bool has_access = n == 3 || (last && *last != '/');

        ret->access = DEVICE_READ | DEVICE_WRITE | DEVICE_MKNOD;
        if (has_access && parse_access(last, &ret->access) < 0)
                return error_set(e, EINVAL,
                                 "'%.60s' is not an access out of the letters r, w and m", last);
        r = setting_path(&row, parts[0], &ret->source, e);
        if (r < 0)
                return r;
        const char *target = n - has_access == 2 ? parts[1] : ret->source;
        r = setting_inner_path(&row, target, &ret->target, e);
        if (r < 0)
                return r;
        if (!path_is_below(ret->target, "/dev") || streq(ret->target, "/dev"))
                return error_set(e, EINVAL,
                                 "a device has to be below /dev in the machine, '%.200s' is not",
                                 target);
        return 0;
}

/* In a dump of the settings, the path is to be the one that was meant. */
static int restate(const char *value, const Device *d) {
        if (value[0] == '/')
                return 0;
        _cleanup_free_ char *text = str_format("%s:%s:%s%s%s", d->source, d->target,
                                               d->access & DEVICE_READ ? "r" : "",
                                               d->access & DEVICE_WRITE ? "w" : "",
                                               d->access & DEVICE_MKNOD ? "m" : "");
        return text ? settings_restate(text) : -ENOMEM;
}

int device_setting(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_(device_done) Device d = {};
        DeviceList *l = at;
        int r = parse_device(value, &d, e);

        (void) row;
        if (r < 0)
                return r;
        Device *v = reallocarray(l->v, l->n + 1, sizeof *v);
        if (!v || restate(value, &d) < 0) {
                l->v = v ? v : l->v;
                return error_oom(e);
        }
        l->v = v;
        l->v[l->n++] = d;
        d = (Device){};
        return 0;
}

/* What is there */

void device_nodes_done(DeviceNodes *d) {
        for (size_t i = 0; i < d->n; i++) {
                free(d->v[i].source);
                free(d->v[i].path);
        }
        free(d->v);
        *d = (DeviceNodes){};
}

typedef struct Finder {
        DeviceNodes *nodes;
        unsigned access;
        char *host_groups, *image_groups; /* texts of the files; NULL = there is none */
} Finder;

static void finder_done(Finder *f) {
        free(f->host_groups);
        free(f->image_groups);
}

/* The group of the image that has the name of the host's @gid; 0 if there is none. */
static gid_t find_group(const Finder *f, gid_t gid) {
        _cleanup_free_ char *name = NULL, *same = NULL;
        char number[16];
        gid_t found;

        (void) snprintf(number, sizeof number, "%u", gid);
        if (gid == 0 || !f->host_groups || !f->image_groups ||
            users_parse_group(f->host_groups, number, &name, &found) < 0 ||
            users_parse_group(f->image_groups, name, &same, &found) < 0)
                return 0;
        return found;
}

static int add_node(const Finder *f, const char *source, const char *target, const struct stat *st,
                    Error *e) {
        DeviceNodes *d = f->nodes;

        if (d->n == DEVICE_NODES_MAX)
                return error_set(e, E2BIG, "more than %u devices", DEVICE_NODES_MAX);
        DeviceNode *v = reallocarray(d->v, d->n + 1, sizeof *v);
        if (!v)
                return error_oom(e);
        d->v = v;
        DeviceNode *n = v + d->n++;
        /* What may not be written to has no bits that say it may. */
        *n = (DeviceNode){
                .source = strdup(source),
                .path = strdup(target + strlen("/dev/")),
                .mode = st->st_mode & (S_IFMT | (f->access & DEVICE_WRITE ? 0777 : 0555)),
                .number = st->st_rdev,
                .gid = find_group(f, st->st_gid),
                .access = f->access,
                /* That it may be made is for us: a policy looks at numbers, so it gives no more. */
                .policy = f->access | DEVICE_MKNOD,
        };
        return n->source && n->path ? 0 : error_oom(e);
}

int device_add_bound(DeviceNodes *d, const char *source, unsigned access) {
        struct stat st;

        if (stat(source, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
                return 0;
        DeviceNode *v = reallocarray(d->v, d->n + 1, sizeof *v);
        if (!v)
                return -ENOMEM;
        d->v = v;
        v[d->n++] = (DeviceNode){ .source = strdup(source),
                                  .mode = st.st_mode,
                                  .number = st.st_rdev,
                                  .access = access,
                                  .policy = access };
        return v[d->n - 1].source ? 0 : -ENOMEM;
}

static int add_tree(const Finder *f, const char *source, const char *target, const char *pattern,
                    unsigned depth, Error *e);

/* What may be a device, in a folder; what is neither that nor a folder is left out. */
static int add_entry(const Finder *f, const char *folder, const char *target, const char *name,
                     unsigned depth, Error *e) {
        _cleanup_free_ char *from = path_join(folder, name), *to = path_join(target, name);
        struct stat st;

        if (!from || !to)
                return error_oom(e);
        if (lstat(from, &st) < 0)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot look at '%s': %m", from);
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
                return add_tree(f, from, to, NULL, depth + 1, e);
        return S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ? add_node(f, from, to, &st, e) : 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_tree(const Finder *f, const char *source, const char *target, const char *pattern,
                    unsigned depth, Error *e) {
        struct dirent **list = NULL;
        int n = scandir(source, &list, NULL, compare_names), r = 0;

        if (n < 0)
                return error_set(e, errno, "cannot read '%s': %m", source);
        for (int i = 0; i < n; i++) {
                const char *name = list[i]->d_name;
                if (r >= 0 && *name != '.' && (!pattern || fnmatch(pattern, name, 0) == 0))
                        r = add_entry(f, source, target, name, depth, e);
                free(list[i]);
        }
        free(list);
        return r;
}

static int add_pattern(const Finder *f, const Device *d, Error *e) {
        const char *pattern = path_last(d->source), *last = path_last(d->target);
        _cleanup_free_ char *folder = strndup(d->source, (size_t) (pattern - d->source));
        /* Without a target of its own, the names go where they are on the host. */
        _cleanup_free_ char *target = streq(d->source, d->target)
                                              ? strndup(d->target, (size_t) (last - d->target - 1))
                                              : strdup(d->target);

        if (!folder || !target)
                return error_oom(e);
        return add_tree(f, folder, target, pattern, 0, e);
}

static int add_device(const Finder *f, const Device *d, Error *e) {
        size_t before = f->nodes->n;
        struct stat st;
        int r;

        if (stat(d->source, &st) < 0) {
                if (errno != ENOENT || !strpbrk(path_last(d->source), "*?["))
                        return error_set(e, errno, "cannot find the device '%s': %m", d->source);
                r = add_pattern(f, d, e);
        } else if (S_ISDIR(st.st_mode))
                r = add_tree(f, d->source, d->target, NULL, 0, e);
        else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                r = add_node(f, d->source, d->target, &st, e);
        else
                return error_set(e, ENODEV, "'%s' is not a device", d->source);
        if (r >= 0 && f->nodes->n == before)
                return error_set(e, ENODEV, "there is no device '%s'", d->source);
        return r;
}

int device_find(const DeviceList *list, int root_fd, DeviceNodes *ret, Error *e) {
        _cleanup_(finder_done) Finder f = { .nodes = ret };
        int r = 0;

        if (list->n == 0)
                return 0;
        (void) file_read(AT_FDCWD, "/etc/group", USERS_FILE_MAX, &f.host_groups, NULL);
        (void) path_read_in_root(root_fd, "/etc/group", USERS_FILE_MAX, &f.image_groups, NULL);
        for (size_t i = 0; i < list->n && r >= 0; i++) {
                f.access = list->v[i].access;
                r = add_device(&f, list->v + i, e);
        }
        return r;
}

static const char *access_text(unsigned access, char text[static 4]) {
        char *p = text;

        for (size_t i = 0; i < ELEMENTSOF(letters); i++)
                if (access & letters[i].bit)
                        *p++ = letters[i].letter;
        *p = '\0';
        return text;
}

int device_format(const DeviceNodes *d, Buf *out) {
        char access[4];

        for (size_t i = 0; i < d->n; i++) {
                const DeviceNode *n = d->v + i;
                int r = buf_printf(out, "  %c %04o %s %u:%u group %u %s: %s\n",
                                   S_ISBLK(n->mode) ? 'b' : 'c', (unsigned) n->mode & 07777,
                                   n->path, major(n->number), minor(n->number), n->gid,
                                   access_text(n->access, access), n->source);
                if (r < 0)
                        return r;
        }
        return 0;
}

#define POLICY_NAME_MAX 4096

/* What a service manager calls a device: it takes paths below /dev alone, or numbers. */
static const char *policy_name(const char *source, mode_t mode, dev_t number,
                               char text[static POLICY_NAME_MAX]) {
        if (path_is_below(source, "/dev"))
                (void) snprintf(text, POLICY_NAME_MAX, "%s", source);
        else
                (void) snprintf(text, POLICY_NAME_MAX, "/dev/%s/%u:%u",
                                S_ISBLK(mode) ? "block" : "char", major(number), minor(number));
        return text;
}

int device_properties(const DeviceNodes *d, char ***words) {
        char access[4], name[POLICY_NAME_MAX];

        for (size_t i = 0; i < d->n; i++) {
                const DeviceNode *n = d->v + i;
                if (strv_append_format(words, "DeviceAllow=%s %s",
                                       policy_name(n->source, n->mode, n->number, name),
                                       access_text(n->policy, access)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Making them */

/* The host's own node, where no other may be made. Its owner is the host's business. */
static int bind_node(const DeviceNode *n, int dev_fd) {
        if (mknodat(dev_fd, n->path, S_IFREG | 0000, 0) < 0)
                return -errno;
        _cleanup_fd_ int fd = open_tree(AT_FDCWD, n->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0 || move_mount(fd, "", dev_fd, n->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return -errno;
        return 0;
}

static int make_parent(const DeviceNode *n, int dev_fd, uid_t uid) {
        size_t length = (size_t) (path_last(n->path) - n->path);
        _cleanup_free_ char *parent = strndup(n->path, length);

        if (!parent)
                return -ENOMEM;
        if (length == 0)
                return 0;
        int fd = path_mkdirs_in_root(dev_fd, parent, 0755, uid, uid);
        (void) fd_close(fd);
        return MIN(fd, 0);
}

/* /dev/char/MAJOR:MINOR, by which udev's clients find a node */
static void make_link(const DeviceNode *n, int dev_fd, uid_t uid) {
        const char *folder = S_ISBLK(n->mode) ? "block" : "char";
        _cleanup_free_ char *target = str_format("../%s", n->path);
        char link[40];

        if (mkdirat(dev_fd, folder, 0755) >= 0)
                (void) fchownat(dev_fd, folder, uid, uid, AT_SYMLINK_NOFOLLOW);
        (void) snprintf(link, sizeof link, "%s/%u:%u", folder, major(n->number), minor(n->number));
        if (target && symlinkat(target, dev_fd, link) >= 0)
                (void) fchownat(dev_fd, link, uid, uid, AT_SYMLINK_NOFOLLOW);
}

/* Return: 1 it is ours to give an owner; 0 it is not; -errno. */
static int make_node(const DeviceNode *n, int dev_fd) {
        struct stat st;

        if (mknodat(dev_fd, n->path, n->mode, n->number) >= 0)
                return 1;
        if (errno == EPERM)
                return bind_node(n, dev_fd);
        /* Some are there in every machine, for everybody. */
        if (errno == EEXIST && fstatat(dev_fd, n->path, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
            st.st_rdev == n->number && (st.st_mode & S_IFMT) == (n->mode & S_IFMT))
                return 0;
        return -EEXIST;
}

int device_apply(const DeviceNodes *d, int dev_fd, const IdRanges *ids, Error *e) {
        uint32_t uid = 0;

        (void) id_ranges_to_outside(ids, 0, &uid);
        for (size_t i = 0; i < d->n; i++) {
                const DeviceNode *n = d->v + i;
                /* What the image calls a group need not be one of the machine's. */
                uint32_t gid = ids->n > 0 ? uid : n->gid;
                (void) id_ranges_to_outside(ids, n->gid, &gid);
                int r = make_parent(n, dev_fd, uid);

                if (r >= 0)
                        r = make_node(n, dev_fd);
                if (r > 0 && fchownat(dev_fd, n->path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                        r = -errno;
                if (r < 0)
                        return error_set(e, r, "cannot make '/dev/%s': %m", n->path);
                make_link(n, dev_fd, uid);
        }
        return 0;
}

/* Looking at them from inside */

static int refused(const DeviceNode *n, unsigned bit, int error, const char *unit, Error *e) {
        char access[4], name[POLICY_NAME_MAX];
        const char *verb = bit == DEVICE_READ ? letters[0].verb : letters[1].verb;
        bool is_policy = error == EPERM;

        (void) policy_name(n->source, n->mode, n->number, name);
        (void) access_text(n->access | (is_policy ? 0 : DEVICE_MKNOD), access);
        if (is_policy && unit)
                return error_set(e, EPERM,
                                 "the device policy of '%s' forbids %s '%s': the unit needs"
                                 " 'DeviceAllow=%s %s'",
                                 unit, verb, n->source, name, access);
        if (is_policy)
                return error_set(e, EPERM,
                                 "a device policy forbids %s '%s': that of the scope, if"
                                 " --property= changes it, or of a group above it",
                                 verb, n->source);
        if (unit)
                return error_set(
                        e, EACCES,
                        "'%s' belongs to a user of the host, and the device policy of '%s' lets"
                        " no node be made for the machine's: the unit needs"
                        " 'DeviceAllow=%s %s'",
                        n->source, unit, name, access);
        return error_set(e, EACCES,
                         "'%s' belongs to a user of the host, and no node can be made for the"
                         " machine's: we are in a machine ourselves, or are forbidden to",
                         n->source);
}

int device_check(const DeviceNodes *d, int dev_fd, const char *unit, Error *e) {
        static const struct {
                unsigned bit;
                int mode;
        } ways[] = { { DEVICE_READ, R_OK }, { DEVICE_WRITE, W_OK } };

        for (size_t i = 0; i < d->n; i++)
                for (size_t k = 0; k < ELEMENTSOF(ways); k++) {
                        const DeviceNode *n = d->v + i;
                        bool may = faccessat(dev_fd, n->path, ways[k].mode, AT_EACCESS) >= 0;

                        if (!may && n->access & ways[k].bit)
                                return refused(n, ways[k].bit, errno, unit, e);
                        if (may && !(n->access & ways[k].bit))
                                return error_set(
                                        e, EPERM,
                                        "nothing here keeps the machine from %s '%s': there is no"
                                        " device policy, or it allows that",
                                        letters[k].verb, n->source);
                }
        return 0;
}
