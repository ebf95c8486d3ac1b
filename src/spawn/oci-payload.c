/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Payloads of containers, see oci-payload.h. */
#include "spawn/oci-payload.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/oci-listener.h"
#include "spawn/userns.h"

int oci_payload_user(const Spec *spec, const Run *run, User *ret, Error *e) {
        const OciUser *u = &spec->oci->process->user;
        size_t n = u->additional_gids.n;
        char number[16];

        (void) snprintf(number, sizeof number, "%u", (unsigned) u->uid.value);
        if (users_find(run->root_fd, number, ret, NULL) < 0) {
                user_done(ret);
                *ret = (User){ .name = strdup(number), .home = strdup("/") };
        }
        free(ret->groups);
        ret->groups = calloc(n + 1, sizeof *ret->groups);
        if (!ret->name || !ret->home || !ret->groups)
                return error_oom(e);
        ret->uid = (uid_t) u->uid.value;
        ret->gid = (gid_t) u->gid.value;
        ret->n_groups = n;
        for (size_t i = 0; i < n; i++)
                ret->groups[i] = (gid_t) u->additional_gids.v[i];
        return 0;
}

int oci_payload_make_directory(const OciProcess *p, const Run *run, Error *e) {
        _cleanup_fd_ int there = path_open_in_root(run->root_fd, p->cwd, O_PATH, 0);

        if (there >= 0)
                return 0;
        _cleanup_fd_ int fd = path_mkdirs_in_root(run->root_fd, p->cwd, 0755, (uid_t) -1,
                                                  (gid_t) -1);
        return fd < 0 ? error_set(e, fd, "process.cwd: cannot make '%s': %m", p->cwd) : 0;
}

mode_t oci_payload_umask(const Spec *spec) {
        bool given = spec->oci && spec->oci->process->user.umask.set;

        return given ? (mode_t) spec->oci->process->user.umask.value : 0022;
}

void oci_payload_set_size(const OciProcess *p, int terminal_fd) {
        const OciConsoleSize *size = &p->console_size;
        struct winsize w = { .ws_row = (unsigned short) size->height.value,
                             .ws_col = (unsigned short) size->width.value };

        if (w.ws_row > 0 && w.ws_col > 0)
                (void) ioctl(terminal_fd, TIOCSWINSZ, &w);
}

/* Programs open /dev/stdout, and that is a file of whoever made it. What cannot be had is no failure, and whether
 * the directory can be entered is asked again as the user, where root may not. */
void oci_payload_prepare(const Spec *spec, const User *u, Run *run) {
        for (int fd = 0; fd < 3; fd++) {
                struct stat st;

                if (fstat(fd, &st) >= 0 && st.st_uid != u->uid &&
                    (S_ISFIFO(st.st_mode) || spec_has_terminal(spec)))
                        (void) fchown(fd, u->uid, (gid_t) -1);
        }
        run->is_in_directory = payload_enter(run->root_fd, spec->oci->process->cwd) >= 0;
}

static int set_sets(const PlanRights *rights, Error *e) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        if (syscall(SYS_capget, &header, data) < 0)
                return error_set(e, errno, "cannot read our capabilities: %m");
        uint64_t have = data[0].permitted | (uint64_t) data[1].permitted << 32;
        uint64_t permitted = rights->permitted & have;
        for (unsigned i = 0; i < 2; i++) {
                data[i].permitted = (uint32_t) (permitted >> (32 * i));
                data[i].effective = (uint32_t) ((rights->effective & permitted) >> (32 * i));
                data[i].inheritable = (uint32_t) ((rights->inheritable & rights->bounding & have) >>
                                                  (32 * i));
        }
        if (syscall(SYS_capset, &header, data) < 0)
                return error_set(e, errno, "cannot set our capabilities: %m");
        for (unsigned long c = 0; c < 64; c++)
                if (rights->ambient & permitted & (UINT64_C(1) << c) &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
                        return error_set(e, errno, "cannot make the capability %lu ambient: %m", c);
        return 0;
}

static int become(const User *u, Error *e) {
        int r = u->n_groups == 0 ? userns_drop_groups() : 0;

        if (r >= 0 && u->n_groups > 0 && setgroups(u->n_groups, u->groups) < 0)
                r = -errno;
        if (r < 0)
                return error_set(e, r, "process.user.additionalGids: %m");
        if (setresgid(u->gid, u->gid, u->gid) < 0)
                return error_set(e, errno, "process.user.gid: cannot become group %u: %m", u->gid);
        /* The permitted ones outlive the change of user, for the sets to be made of them. */
        if (u->uid != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot keep capabilities: %m");
        if (setresuid(u->uid, u->uid, u->uid) < 0)
                return error_set(e, errno, "process.user.uid: cannot become user %u: %m", u->uid);
        return 0;
}

/* Without no_new_privs a filter takes CAP_SYS_ADMIN, which is there only before the payload is confined. With it
 * the filter comes at the very end, so that it need not allow what we do; but for one that asks, while there
 * is somebody to send on where it asks. */
static bool filters_late(const Spec *spec) {
        return spec->no_new_privileges && !oci_listener_wants(spec);
}

int oci_payload_confine(const Spec *spec, const Plan *plan, const User *u, Run *run, Error *e) {
        int r = 0;

        if (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot set no_new_privs: %m");
        if (!filters_late(spec))
                r = oci_listener_load(&plan->seccomp, run, e);
        if (r >= 0)
                r = payload_drop_bounding(plan->capabilities, run->bounding, e);
        if (r >= 0)
                r = become(u, e);
        if (r >= 0)
                r = set_sets(&plan->rights, e);
        return r >= 0 && !spec->stays ? payload_die_with_parent(run, e) : r;
}

int oci_payload_keep_filter(const Spec *spec, const Plan *plan, int *ret_fd, char ***argv,
                            Error *e) {
        const unsigned seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        const SeccompProgram *p = &plan->seccomp;

        if (p->n == 0 || !filters_late(spec))
                return 0;
        _cleanup_fd_ int fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return error_set(e, errno, "cannot make a file in memory: %m");
        int r = fd_write_all(fd, p->filter, p->n * sizeof *p->filter);
        if (r < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
                return error_set(e, r < 0 ? r : errno, "cannot write to memory: %m");
        if (strv_append(argv, "filter") < 0 || strv_append_format(argv, "%d", fd) < 0 ||
            strv_append_format(argv, "%zu", p->n) < 0 ||
            strv_append_format(argv, "%u", p->flags) < 0)
                return error_oom(e);
        *ret_fd = TAKE_FD(fd);
        return 0;
}
