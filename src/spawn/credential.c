/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credentials of a machine, see credential.h. They are read by the process that builds the machine, and
 * never by the one that stays. */
#include "spawn/credential.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/mount.h"

#define ANSWER_USEC (UINT64_C(90) * 1000 * 1000) /* for a service to come up and answer */

static void credential_done(Credential *c) {
        if (c->value)
                explicit_bzero(c->value, c->n);
        free(c->id);
        free(c->path);
        free(c->value);
        *c = (Credential){};
}

void credentials_done(Credentials *c) {
        for (size_t i = 0; i < c->n; i++)
                credential_done(c->list + i);
        free(c->list);
        *c = (Credentials){};
}

bool credential_id_is_valid(const char *id) {
        size_t n = strlen(id);

        if (n == 0 || n > NAME_MAX || streq(id, ".") || streq(id, ".."))
                return false;
        for (size_t i = 0; i < n; i++)
                if (id[i] <= ' ' || id[i] > '~' || id[i] == '/' || id[i] == ':')
                        return false;
        return true;
}

const Credential *credentials_find(const Credentials *c, const char *id) {
        for (size_t i = 0; i < c->n; i++)
                if (streq(c->list[i].id, id))
                        return c->list + i;
        return NULL;
}

/* Splits "ID:REST"; *ret_rest is within @value. */
static int take_id(const Credentials *all, const char *value, const char *what, char **ret,
                   const char **ret_rest, Error *e) {
        const char *colon = strchr(value, ':');

        if (!colon)
                return error_set(e, EINVAL, "'%.80s' is not ID:%s", value, what);
        _cleanup_free_ char *id = strndup(value, (size_t) (colon - value));
        if (!id)
                return error_oom(e);
        if (!credential_id_is_valid(id))
                return error_set(e, EINVAL, "'%.80s' is not a name for a credential", id);
        if (credentials_find(all, id))
                return error_set(e, EEXIST, "credential '%s' is given twice", id);
        *ret = TAKE_PTR(id);
        *ret_rest = colon + 1;
        return 0;
}

static int add(Credentials *all, Credential *c, Error *e) {
        Credential *list = reallocarray(all->list, all->n + 1, sizeof *list);

        if (!list) {
                credential_done(c);
                return error_oom(e);
        }
        all->list = list;
        all->list[all->n++] = *c;
        *c = (Credential){};
        return 0;
}

int credentials_add(Credentials *all, const char *id, const char *value, Error *e) {
        if (credentials_find(all, id))
                return 0;
        Credential c = { .id = strdup(id), .value = strdup(value), .n = strlen(value) };
        if (!c.id || !c.value) {
                credential_done(&c);
                return error_oom(e);
        }
        return add(all, &c, e);
}

int credential_setting_set(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_(credential_done) Credential c = {};
        const char *rest;
        int r = take_id(at, value, "VALUE", &c.id, &rest, e);

        if (r < 0)
                return r;
        r = str_unescape_bytes(rest, &c.value, &c.n);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0)
                return error_set(e, r, "the value of credential '%s' has a bad escape", c.id);
        if (c.n > CREDENTIAL_SIZE_MAX)
                return error_set(e, E2BIG, "credential '%s' is too big", c.id);
        return add(at, &c, e);
}

int credential_setting_load(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_(credential_done) Credential c = {};
        const char *rest;
        int r = take_id(at, value, "PATH", &c.id, &rest, e);

        if (r < 0)
                return r;
        if (!path_is_safe(rest) && !credential_id_is_valid(rest))
                return error_set(
                        e, EINVAL,
                        "'%.200s' is neither an absolute path nor the name of a credential", rest);
        c.path = strdup(rest);
        return c.path ? add(at, &c, e) : error_oom(e);
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Reads what a service says until it hangs up. */
static int read_answer(int fd, Buf *ret) {
        uint64_t end = now_usec() + ANSWER_USEC;

        for (;;) {
                uint64_t now = now_usec();
                int r = now < end ? fd_wait(fd, POLLIN, end - now) : 0;

                if (r <= 0)
                        return r < 0 ? r : -ETIMEDOUT;
                if (buf_reserve(ret, 4096) < 0)
                        return -ENOMEM;
                ssize_t n = read(fd, ret->p + ret->n, 4096);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                ret->n += (size_t) n;
                if (ret->n > CREDENTIAL_SIZE_MAX)
                        return -EFBIG;
        }
}

static int load(const char *path, Buf *ret) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        if (S_ISSOCK(st.st_mode)) {
                _cleanup_fd_ int fd = connect_to(path);
                return fd < 0 ? fd : read_answer(fd, ret);
        }
        return file_read(AT_FDCWD, path, CREDENTIAL_SIZE_MAX, &ret->p, &ret->n);
}

static int read_one(const Credential *c, Buf *ret, Error *e) {
        const char *ours = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;
        int r;

        if (c->value)
                return buf_append(ret, c->value, c->n) < 0 ? error_oom(e) : 0;
        if (*c->path != '/' && !ours)
                return error_set(e, ENXIO, "credential '%s' is one of ours, and we were given none",
                                 c->id);
        path = *c->path == '/' ? strdup(c->path) : path_join(ours, c->path);
        if (!path)
                return error_oom(e);
        r = load(path, ret);
        return r < 0 ? error_set(e, r, "cannot read credential '%s' from '%s': %m", c->id, path)
                     : 0;
}

static int write_one(const Credential *c, mode_t mode, int dir_fd, uid_t uid, Error *e) {
        _cleanup_(buf_done) Buf content = {};
        int r = read_one(c, &content, e);

        if (r < 0)
                return r;
        _cleanup_fd_ int fd = openat(dir_fd, c->id,
                                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        r = fd < 0 ? -errno : fd_write_all(fd, content.p, content.n);
        if (r >= 0 && fchown(fd, uid, uid) < 0)
                r = -errno;
        if (content.p)
                explicit_bzero(content.p, content.n);
        return r < 0 ? error_set(e, r, "cannot write credential '%s': %m", c->id) : 0;
}

int credentials_apply(const Credentials *c, bool for_all, int root_fd, uid_t uid, Error *e) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
        _cleanup_fd_ int fd = mount_new("ramfs", for_all ? "mode=0555" : "mode=0500",
                                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                                                MOUNT_ATTR_NOSYMFOLLOW,
                                        e);

        if (fd < 0)
                return fd;
        for (size_t i = 0; i < c->n; i++) {
                int r = write_one(c->list + i, for_all ? 0444 : 0400, fd, uid, e);
                if (r < 0)
                        return r;
        }
        _cleanup_fd_ int target = path_open_beneath(root_fd, &CREDENTIAL_FOLDER[1],
                                                    O_PATH | O_DIRECTORY, 0);
        int r = target;
        if (r >= 0 && (fchownat(fd, "", uid, uid, AT_EMPTY_PATH) < 0 ||
                       mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0))
                r = -errno;
        if (r >= 0)
                r = mount_attach(fd, target);
        return r < 0 ? error_set(e, r, "cannot show the credentials: %m") : 0;
}
