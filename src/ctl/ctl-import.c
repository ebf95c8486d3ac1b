/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verbs that start transfers: import-*, export-* and pull-*. The importer does the work in a process of its own,
 * which has the file that we hand over; looking on is done in transfer-watch.c. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/report.h"
#include "app/sign.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "ctl/archive-name.h"
#include "ctl/client.h"
#include "ctl/transfer-watch.h"
#include "ctl/verbs.h"

/* Flags of the newer calls. */
#define FLAG_FORCE         UINT64_C(1)
#define FLAG_READ_ONLY     UINT64_C(2)
#define FLAG_KEEP_DOWNLOAD UINT64_C(4)

typedef enum Way {
        WAY_IMPORT,
        WAY_EXPORT,
        WAY_PULL,
} Way;

/* A transfer that somebody wants. Strings are borrowed. */
typedef struct Order {
        const char *member; /* of the Manager; the newer call has "Ex" behind it */
        Way way;
        bool raw;
        const char *local, *remote;
        int fd;
        int checksum_fd;           /* of an export; -EBADF = none is wanted */
        const char *checksum_name; /* of the file that it is of */
        uint64_t size;             /* of what is read; UINT64_MAX = unknown */
} Order;

/* Those who know importctl have to say what they are about. */
static int settle_class(Ctl *c, const char **ret, Error *e) {
        *ret = c->o.class ? c->o.class : "machine";
        return c->is_importctl && !c->o.class
                       ? error_set(e, EINVAL,
                                   "--class= is needed: machine, portable, sysext or confext")
                       : 0;
}

static uint64_t flags_of(const Ctl *c, const Order *order, const char *class) {
        bool keeps = c->o.keep_download >= 0 ? c->o.keep_download > 0 : streq(class, "machine");

        return (c->o.force ? FLAG_FORCE : 0) | (c->o.read_only ? FLAG_READ_ONLY : 0) |
               (order->way == WAY_PULL && keeps ? FLAG_KEEP_DOWNLOAD : 0);
}

/* Every importer has the older calls. They are about machines, and their pulls keep what was downloaded. */
static bool wants_newer_call(const Ctl *c, const Order *order, const char *class, uint64_t flags) {
        return !streq(class, "machine") ||
               (order->way == WAY_PULL && (c->o.read_only || !(flags & FLAG_KEEP_DOWNLOAD)));
}

static const char *format_of(const Ctl *c, const Order *order) {
        return c->o.format     ? c->o.format
               : order->remote ? archive_format(order->remote)
                               : "uncompressed";
}

static int append(const Ctl *c, sd_bus_message *m, const Order *order, const char *class,
                  uint64_t flags, bool newer) {
        const char *verify = c->o.verify ? c->o.verify : "signature";
        const char *format = format_of(c, order);
        int force = c->o.force, read_only = c->o.read_only;

        switch (order->way) {
        case WAY_IMPORT:
                return newer ? sd_bus_message_append(m, "hsst", order->fd, order->local, class,
                                                     flags)
                             : sd_bus_message_append(m, "hsbb", order->fd, order->local, force,
                                                     read_only);
        case WAY_EXPORT:
                return newer ? sd_bus_message_append(m, "sshst", order->local, class, order->fd,
                                                     format, UINT64_C(0))
                             : sd_bus_message_append(m, "shs", order->local, order->fd, format);
        case WAY_PULL:
                return newer ? sd_bus_message_append(m, "sssst", order->remote, order->local, class,
                                                     verify, flags)
                             : sd_bus_message_append(m, "sssb", order->remote, order->local, verify,
                                                     force);
        }
        return -EINVAL;
}

/* The time that an archive's files are not later than; < 0 = none. */
static int64_t clamp_of(const Ctl *c, const Order *order) {
        const char *epoch = getenv("SOURCE_DATE_EPOCH");
        uint64_t v;

        if (c->o.clamp_mtime >= 0 || order->way != WAY_EXPORT || order->raw || !epoch ||
            parse_u64(epoch, 0, INT64_MAX - 1, &v) < 0)
                return c->o.clamp_mtime;
        return (int64_t) v;
}

/* What the calls of systemd have no words for is said by name, to our own importer. */
static bool wants_own_call(const Ctl *c, const Order *order) {
        return (order->way == WAY_IMPORT && c->o.verify) ||
               (order->way == WAY_EXPORT && (c->o.level != UINT_MAX || c->o.threads != UINT_MAX ||
                                             clamp_of(c, order) >= 0 || order->checksum_fd >= 0));
}

static const char *type_of(const Order *order) {
        static const char *const types[][2] = {
                [WAY_IMPORT] = { "import-tar", "import-raw" },
                [WAY_EXPORT] = { "export-tar", "export-raw" },
                [WAY_PULL] = { "pull-tar", "pull-raw" },
        };

        return streq(order->member, "ImportFileSystem") ? "import-fs"
                                                        : types[order->way][order->raw];
}

static int append_export(const Ctl *c, sd_bus_message *m, const Order *order) {
        int r = sd_bus_message_append(m, "{sv}", "Format", "s", format_of(c, order));

        if (c->o.level != UINT_MAX && r >= 0)
                r = sd_bus_message_append(m, "{sv}", "Level", "u", (uint32_t) c->o.level);
        if (c->o.threads != UINT_MAX && r >= 0)
                r = sd_bus_message_append(m, "{sv}", "Threads", "u", (uint32_t) c->o.threads);
        if (clamp_of(c, order) >= 0 && r >= 0)
                r = sd_bus_message_append(m, "{sv}", "ClampMTime", "t",
                                          (uint64_t) clamp_of(c, order));
        if (order->checksum_fd >= 0 && r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}", "Checksum", "h", order->checksum_fd,
                                          "ChecksumName", "s", order->checksum_name);
        return r;
}

/* Everything by name. */
static int append_own(const Ctl *c, sd_bus_message *m, const Order *order, const char *class,
                      uint64_t flags) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "Type", "s", type_of(order),
                                          "Class", "s", class, "Local", "s", order->local,
                                          "Descriptor", "h", order->fd);
        if (r >= 0 && order->way == WAY_IMPORT)
                r = sd_bus_message_append(m, "{sv}{sv}", "Verify", "s", strempty(c->o.verify),
                                          "Flags", "t", flags);
        if (r >= 0 && order->way == WAY_EXPORT)
                r = append_export(c, m, order);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int make_call(Ctl *c, const Order *order, sd_bus_message **ret, Error *e) {
        char member[32];
        const char *class;
        int r = settle_class(c, &class, e);

        if (r < 0)
                return r;
        if (order->way != WAY_PULL && sd_bus_can_send(c->bus, 'h') <= 0)
                return error_set(e, EOPNOTSUPP,
                                 "files of this system cannot be handed to another one; use ssh");
        uint64_t flags = flags_of(c, order, class);
        bool own = wants_own_call(c, order), newer = wants_newer_call(c, order, class, flags);
        (void) snprintf(member, sizeof member, "%s%s", own ? "StartTransfer" : order->member,
                        newer && !own ? "Ex" : "");
        r = sd_bus_message_new_method_call(c->bus, ret, peer_import1.name, peer_import1.path,
                                           own ? BUS_SKEP_IMPORT_MANAGER1 : peer_import1.interface,
                                           member);
        if (r >= 0 && own)
                r = append_own(c, *ret, order, class, flags);
        else if (r >= 0)
                r = append(c, *ret, order, class, flags, newer);
        return r < 0 ? error_set(e, r, "cannot make the call: %m") : 0;
}

static int tell_number(Ctl *c, uint32_t id, Error *e) {
        int r = ctl_is_json(c) ? buf_printf(&c->out, "{\"transfer\":%" PRIu32 "}\n", id)
                               : buf_printf(&c->out, "%" PRIu32 "\n", id);

        return r < 0 ? error_oom(e) : 0;
}

/* Starts it, and sees it through unless told not to. Return: TransferEnd or -errno. */
static int transfer(Ctl *c, const Order *order, bool stdout_is_data, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(transfer_watch_done) TransferWatch t = { .stdout_is_data = stdout_is_data };
        const char *path;
        uint32_t id;
        int r = transfer_watch_init(&t, c, *order->local ? order->local : order->remote,
                                    order->size, e);

        if (r >= 0)
                r = make_call(c, order, &m, e);
        if (r >= 0)
                r = client_send(c, m, true, &reply, e);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "uo", &id, &path);
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        if (c->o.background) {
                r = tell_number(c, id, e);
                return r < 0 ? r : TRANSFER_END_LEFT;
        }
        r = transfer_watch_set(&t, id, path, e);
        return r < 0 ? r : transfer_watch_run(&t, e);
}

static int exit_status(const Ctl *c, int end) {
        return end < 0                                       ? end
               : end == TRANSFER_END_DONE                    ? EXIT_SUCCESS
               : end == TRANSFER_END_LEFT && c->o.background ? EXIT_SUCCESS
                                                             : 128 + SIGINT;
}

/* Import */

static int open_source(const char *path, bool tree, int *ret_fd, uint64_t *ret_size, Error *e) {
        bool from_stdin = !tree && (streq(path, "-") || !*path);
        _cleanup_fd_ int opened = -EBADF;
        int fd = STDIN_FILENO;
        struct stat st;

        if (!from_stdin) {
                fd = opened = open(path,
                                   O_RDONLY | O_CLOEXEC | O_NOCTTY | (tree ? O_DIRECTORY : 0));
                if (fd < 0)
                        return error_set(e, errno, "cannot open '%s': %m", path);
        }
        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", path);
        if (!tree && !S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
                return error_set(e, EINVAL, "'%s' is neither a file nor a pipe", path);
        *ret_size = S_ISREG(st.st_mode) ? (uint64_t) st.st_size : UINT64_MAX;
        *ret_fd = from_stdin ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : TAKE_FD(opened);
        return *ret_fd < 0 ? error_set(e, errno, "cannot use standard input: %m") : 0;
}

static int import(Ctl *c, const char *member, bool raw, bool tree, char *const *args, Error *e) {
        _cleanup_free_ char *name = args[1] ? strdup(args[1]) : NULL, *whole = NULL;
        _cleanup_fd_ int fd = -EBADF;
        Order order = { .member = member, .way = WAY_IMPORT, .raw = raw, .checksum_fd = -EBADF };
        int r;

        if (!name && !tree && (streq(args[0], "-") || !*args[0]))
                return error_set(e, EINVAL,
                                 "what comes from standard input needs a name for the image");
        if (!name && tree) { /* "." has a name as well */
                whole = realpath(args[0], NULL);
                if (!whole)
                        return error_set(e, errno, "cannot open '%s': %m", args[0]);
                name = strdup(path_last(whole));
        } else if (!name)
                name = archive_name(args[0], raw);
        if (!name)
                return error_oom(e);
        r = open_source(args[0], tree, &fd, &order.size, e);
        if (r < 0)
                return r;
        order.local = name;
        order.fd = fd;
        r = transfer(c, &order, false, e);
        return r < 0 ? error_wrap(e, r, "cannot import '%s'", name) : exit_status(c, r);
}

int verb_import_tar(char *const *args, void *context, Error *e) {
        return import(context, "ImportTar", false, false, args, e);
}

int verb_import_raw(char *const *args, void *context, Error *e) {
        return import(context, "ImportRaw", true, false, args, e);
}

int verb_import_fs(char *const *args, void *context, Error *e) {
        return import(context, "ImportFileSystem", false, true, args, e);
}

/* Export */

/* A file that is being written. It has its name when it is whole: until then it is beside that. */
typedef struct Target {
        int fd;
        char *path; /* NULL = standard output, or what cannot be replaced */
        char *beside;
} Target;

static void target_done(Target *t) {
        if (t->beside)
                (void) unlink(t->beside);
        (void) fd_close(t->fd);
        free(t->path);
        free(t->beside);
}

static int target_open(Target *t, const char *path, Error *e) {
        struct stat st;

        t->fd = -EBADF;
        if (!path || streq(path, "-")) {
                if (isatty(STDOUT_FILENO))
                        return error_set(e, EINVAL,
                                         "an image is not for a terminal; name a file or a pipe");
                t->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
                return t->fd < 0 ? error_set(e, errno, "cannot use standard output: %m") : 0;
        }
        if (stat(path, &st) >= 0 && !S_ISREG(st.st_mode)) {
                t->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
                return t->fd < 0 ? error_set(e, errno, "cannot open '%s': %m", path) : 0;
        }
        t->path = strdup(path);
        t->beside = str_format("%s.%d.part", path, (int) getpid());
        if (!t->path || !t->beside)
                return error_oom(e);
        t->fd = open(t->beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
        if (t->fd >= 0)
                return 0;
        int r = error_set(e, errno, "cannot create '%s': %m", path);
        free(t->beside);
        t->beside = NULL;
        return r;
}

static int target_commit(Target *t, Error *e) {
        if (!t->beside)
                return 0;
        if (rename(t->beside, t->path) < 0)
                return error_set(e, errno, "cannot rename '%s' to '%s': %m", t->beside, t->path);
        free(t->beside);
        t->beside = NULL;
        return 0;
}

/* What is said of the file beside it. */
typedef struct Seal {
        Target sum;
        char *path, *signature;
        size_t n;
} Seal;

static void seal_done(Seal *s) {
        target_done(&s->sum);
        free(s->path);
        free(s->signature);
}

static int seal_open(Seal *s, const Ctl *c, const Target *target, Error *e) {
        const char *option = c->o.sign ? "sign" : "checksum";

        if (!c->o.checksum && !c->o.sign)
                return 0;
        if (!target->path)
                return error_set(e, EINVAL, "--%s needs a file that it can be put beside", option);
        if (c->o.sign && c->o.background)
                return error_set(e, EINVAL, "what is left to the importer cannot be signed");
        char *path = str_format("%s.sha256", target->path);
        if (!path)
                return error_oom(e);
        s->path = path;
        return target_open(&s->sum, path, e);
}

/* With the key of whoever called us, which the importer does not have. */
static int seal_sign(Seal *s, const Ctl *c, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;

        if (!c->o.sign || !s->path)
                return 0;
        int r = lseek(s->sum.fd, 0, SEEK_SET) < 0 ? -errno
                                                  : fd_read_all(s->sum.fd, 4096, &text, &n);
        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", s->path);
        return sign_detached(text, n, c->o.sign, &s->signature, &s->n, e);
}

static int seal_commit(Seal *s, Error *e) {
        int r = target_commit(&s->sum, e);

        if (r < 0 || !s->signature)
                return r;
        _cleanup_free_ char *path = str_format("%s.asc", s->path);
        if (!path)
                return error_oom(e);
        r = file_write_atomic(AT_FDCWD, path, s->signature, s->n, 0666);
        return r < 0 ? error_set(e, r, "cannot write '%s': %m", path) : 0;
}

static int export(Ctl *c, const char *member, bool raw, char *const *args, Error *e) {
        _cleanup_(target_done) Target target = { .fd = -EBADF };
        _cleanup_(seal_done) Seal seal = { .sum = { .fd = -EBADF } };
        Order order = { .member = member,
                        .way = WAY_EXPORT,
                        .raw = raw,
                        .local = args[0],
                        .remote = args[1],
                        .size = UINT64_MAX };
        int r = target_open(&target, args[1], e);

        if (r >= 0)
                r = seal_open(&seal, c, &target, e);
        if (r < 0)
                return r;
        order.fd = target.fd;
        order.checksum_fd = seal.sum.fd;
        order.checksum_name = args[1] ? path_last(args[1]) : NULL;
        r = transfer(c, &order, !args[1] || streq(args[1], "-"), e);
        if (r < 0)
                return error_wrap(e, r, "cannot export '%s'", args[0]);
        /* What goes on without us has no other name any more. */
        if (r == TRANSFER_END_DONE || r == TRANSFER_END_LEFT) {
                int k = seal_sign(&seal, c, e);
                if (k >= 0)
                        k = target_commit(&target, e);
                if (k >= 0)
                        k = seal_commit(&seal, e);
                if (k < 0)
                        return k;
        }
        return exit_status(c, r);
}

int verb_export_tar(char *const *args, void *context, Error *e) {
        return export(context, "ExportTar", false, args, e);
}

int verb_export_raw(char *const *args, void *context, Error *e) {
        return export(context, "ExportRaw", true, args, e);
}

/* Pull */

static int pull(Ctl *c, const char *member, bool raw, char *const *args, Error *e) {
        _cleanup_free_ char *name = args[1] ? strdup(args[1]) : url_name(args[0], raw);
        Order order = { .member = member,
                        .way = WAY_PULL,
                        .raw = raw,
                        .remote = args[0],
                        .checksum_fd = -EBADF,
                        .size = UINT64_MAX };

        if (!name)
                return error_oom(e);
        if (!*name && !args[1])
                return error_set(e, EINVAL, "'%.200s' does not say how to call the image; name it",
                                 args[0]);
        /* "-" is what was downloaded alone, with no image made of it. */
        order.local = streq(name, "-") ? "" : name;
        int r = transfer(c, &order, false, e);
        return r < 0 ? error_wrap(e, r, "cannot pull '%s'", *order.local ? name : "the download")
                     : exit_status(c, r);
}

int verb_pull_tar(char *const *args, void *context, Error *e) {
        return pull(context, "PullTar", false, args, e);
}

int verb_pull_raw(char *const *args, void *context, Error *e) {
        return pull(context, "PullRaw", true, args, e);
}
