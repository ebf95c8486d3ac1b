/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container may use, see oci-resources.h. One function for each part of the document makes a list of
 * files and values; how they get into the group is the same for all. */
#include "spawn/oci-resources.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/fd.h"
#include "base/name.h"
#include "base/parse.h"
#include "spawn/oci-amount.h"

void oci_limits_done(OciLimits *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->v[i].file);
                free(l->v[i].value);
        }
        free(l->v);
        *l = (OciLimits){};
}

/* @value: now ours; NULL counts as out of memory */
static int add(OciLimits *l, const char *file, char *value) {
        OciLimit *v = reallocarray(l->v, l->n + 1, sizeof *v);
        char *name = strdup(file);

        if (v)
                l->v = v;
        if (!v || !name || !value) {
                free(name);
                free(value);
                return -ENOMEM;
        }
        l->v[l->n++] = (OciLimit){ .file = name, .value = value };
        return 0;
}

/* -1 is no limit; 0 means that nothing is said. */
static int add_amount(OciLimits *l, const char *file, int64_t amount) {
        if (amount == 0)
                return 0;
        return add(l, file, amount < 0 ? strdup("max") : str_format("%jd", (intmax_t) amount));
}

static int plan_memory(const OciMemory *m, OciLimits *l, Buf *notes, Error *e) {
        int64_t swap;
        int r = oci_memory_check(m, notes, e);

        if (r >= 0)
                r = oci_swap_alone(m, &swap, e);
        if (r < 0)
                return r;
        /* Before the memory, which may become less than what the swap is meant to add to. */
        if (swap != OCI_SWAP_UNSET)
                r = add(l, "memory.swap.max",
                        swap < 0 ? strdup("max") : str_format("%jd", (intmax_t) swap));
        if (r >= 0 && swap < 0 && swap != OCI_SWAP_UNSET)
                l->v[l->n - 1].optional = true;
        if (r >= 0)
                r = add_amount(l, "memory.max", m->limit.value);
        if (r >= 0)
                r = add_amount(l, "memory.low", m->reservation.value);
        return r < 0 ? error_oom(e) : 0;
}

static int plan_cpu(const OciCpu *c, OciLimits *l, Error *e) {
        uint64_t period = c->period.value ? c->period.value : OCI_CPU_PERIOD;
        int r = oci_cpu_check(c, e);

        if (r < 0)
                return r;
        /* Who is idle has no weight that could be changed. */
        if (c->idle.set && c->idle.value == 0)
                r = add(l, "cpu.idle", strdup("0"));
        if (r >= 0 && c->shares.value > 0)
                r = add(l, "cpu.weight",
                        str_format("%ju", (uintmax_t) oci_cpu_weight(c->shares.value)));
        if (r >= 0 && c->idle.value == 1)
                r = add(l, "cpu.idle", strdup("1"));
        if (r >= 0 && (c->quota.value != 0 || c->period.value != 0))
                r = add(l, "cpu.max",
                        c->quota.value > 0 ? str_format("%jd %ju", (intmax_t) c->quota.value,
                                                        (uintmax_t) period)
                                           : str_format("max %ju", (uintmax_t) period));
        if (r >= 0 && c->burst.set)
                r = add(l, "cpu.max.burst", str_format("%ju", (uintmax_t) c->burst.value));
        if (r >= 0 && c->cpus && *c->cpus)
                r = add(l, "cpuset.cpus", strdup(c->cpus));
        if (r >= 0 && c->mems && *c->mems)
                r = add(l, "cpuset.mems", strdup(c->mems));
        return r < 0 ? error_oom(e) : 0;
}

static int plan_throttle(const OciThrottleDevices *d, const char *key, OciLimits *l) {
        int r = 0;

        for (size_t i = 0; i < d->n && r >= 0; i++) {
                const OciThrottleDevice *t = d->v + i;
                _cleanup_free_ char *rate = t->rate.value
                                                    ? str_format("%ju", (uintmax_t) t->rate.value)
                                                    : strdup("max");
                if (!rate)
                        return -ENOMEM;
                r = add(l, "io.max",
                        str_format("%jd:%jd %s=%s", (intmax_t) t->major.value,
                                   (intmax_t) t->minor.value, key, rate));
        }
        return r;
}

/* Both schedulers' words: whoever writes takes the one that is there. */
static int plan_block_io(const OciBlockIo *b, OciLimits *l, Error *e) {
        static const char weight[] = OCI_IO_WEIGHT;
        int r = oci_block_io_check(b, e);

        if (r < 0)
                return r;
        if (b->weight.value > 0)
                r = add(l, weight, str_format("%ju", (uintmax_t) b->weight.value));
        for (size_t i = 0; i < b->weight_devices.n && r >= 0; i++) {
                const OciWeightDevice *d = b->weight_devices.v + i;
                if (d->weight.value > 0)
                        r = add(l, weight,
                                str_format("%jd:%jd %ju", (intmax_t) d->major.value,
                                           (intmax_t) d->minor.value, (uintmax_t) d->weight.value));
        }
        if (r >= 0)
                r = plan_throttle(&b->read_bps, "rbps", l);
        if (r >= 0)
                r = plan_throttle(&b->write_bps, "wbps", l);
        if (r >= 0)
                r = plan_throttle(&b->read_iops, "riops", l);
        if (r >= 0)
                r = plan_throttle(&b->write_iops, "wiops", l);
        return r < 0 ? error_oom(e) : 0;
}

static int plan_hugepages(const OciResources *r, OciLimits *l, Error *e) {
        for (size_t i = 0; i < r->hugepage_limits.n; i++) {
                const OciHugepageLimit *h = r->hugepage_limits.v + i;
                _cleanup_free_ char *file = NULL, *reserved = NULL;
                int k = oci_page_size_check(h->page_size, e);

                if (k < 0)
                        return k;
                file = str_format("hugetlb.%s.max", h->page_size);
                reserved = str_format("hugetlb.%s.rsvd.max", h->page_size);
                k = file && reserved ? 0 : -ENOMEM;
                if (k >= 0)
                        k = add(l, file, str_format("%ju", (uintmax_t) h->limit.value));
                /* What is set aside counts at once; older kernels do not know it. */
                if (k >= 0)
                        k = add(l, reserved, str_format("%ju", (uintmax_t) h->limit.value));
                if (k < 0)
                        return error_oom(e);
                l->v[l->n - 1].optional = true;
        }
        return 0;
}

static int plan_rdma(const OciResources *r, OciLimits *l, Error *e) {
        for (size_t i = 0; i < r->rdma.n; i++) {
                const OciRdma *d = r->rdma.v + i;
                _cleanup_(buf_done) Buf line = {};
                int k = 0;

                if (!filename_is_valid(d->name) || strpbrk(d->name, " \n\t"))
                        return error_set(e, EINVAL, "rdma: '%.60s' is no name of a device",
                                         d->name);
                k = buf_puts(&line, d->name);
                if (k >= 0 && d->handles.set)
                        k = buf_printf(&line, " hca_handle=%ju", (uintmax_t) d->handles.value);
                if (k >= 0 && d->objects.set)
                        k = buf_printf(&line, " hca_object=%ju", (uintmax_t) d->objects.value);
                if (k < 0 || add(l, "rdma.max", buf_take(&line)) < 0)
                        return error_oom(e);
        }
        return 0;
}

static int plan_unified(const OciResources *r, OciLimits *l, Error *e) {
        for (size_t i = 0; i < r->unified.n; i++) {
                const JsonPair *p = r->unified.v + i;

                if (!filename_is_valid(p->name) || p->name[0] == '.' || !strchr(p->name, '.'))
                        return error_set(e, EINVAL,
                                         "unified: '%.60s' is no file of a control group", p->name);
                if (add(l, p->name, strdup(strempty(p->value))) < 0)
                        return error_oom(e);
                l->v[l->n - 1].exact = true;
        }
        return 0;
}

int oci_resources_plan(const OciResources *r, OciLimits *ret, Buf *notes, Error *e) {
        OciLimits l = {};
        int k = plan_memory(&r->memory, &l, notes, e);

        if (k >= 0)
                k = plan_cpu(&r->cpu, &l, e);
        if (k >= 0 && r->pids.limit.set)
                k = add_amount(&l, "pids.max", r->pids.limit.value > 0 ? r->pids.limit.value : -1);
        if (k >= 0)
                k = plan_block_io(&r->block_io, &l, e);
        if (k >= 0)
                k = plan_hugepages(r, &l, e);
        if (k >= 0)
                k = plan_rdma(r, &l, e);
        if (k >= 0 && (r->network.class_id.value > 0 || r->network.priorities.n > 0))
                k = error_set(e, EOPNOTSUPP, "network: cgroup2 has no classes and priorities");
        if (k >= 0)
                k = plan_unified(r, &l, e);
        if (k < 0) {
                oci_limits_done(&l);
                return error_wrap(e, k, "linux.resources");
        }
        *ret = l;
        return 0;
}

/* Whether all of the tree can have a controller. Not the root of the tree as such: that of what we see. */
static bool tree_has(const char *file) {
        _cleanup_free_ char *mount = NULL, *path = NULL, *text = NULL;
        _cleanup_strv_ char **words = NULL;
        _cleanup_free_ char *controller = strndup(file, strcspn(file, "."));

        if (!controller || cgroup_mount(&mount) < 0)
                return false;
        path = str_format("%s/cgroup.controllers", mount);
        return path && file_read(AT_FDCWD, path, 4096, &text, NULL) >= 0 &&
               str_split(text, " \n", &words) >= 0 && strv_contains(words, controller);
}

static int write_lines(int fd, const char *file, const char *value) {
        _cleanup_strv_ char **lines = NULL;
        int r = str_split(value, "\n", &lines);

        if (r >= 0 && !lines)
                return file_write(fd, file, "", 0, 0);
        STRV_FOREACH(line, lines)
                if (r >= 0)
                        r = file_write(fd, file, *line, 0, 0);
        return r;
}

/* io.weight counts to 10000, its predecessor to 1000. */
static int write_io_weight(int fd, const char *value, const char **ret_file) {
        const char *space = strchr(value, ' ');
        _cleanup_free_ char *converted = NULL;
        uint64_t weight;
        int r;

        *ret_file = "io.bfq.weight";
        r = file_write(fd, *ret_file, value, 0, 0);
        if (r != -ENOENT)
                return r;
        *ret_file = "io.weight";
        r = parse_u64(space ? space + 1 : value, 1, OCI_IO_WEIGHT_MAX, &weight);
        if (r < 0)
                return r;
        converted = str_format("%.*s%ju", space ? (int) (space + 1 - value) : 0, value,
                               (uintmax_t) oci_io_weight(weight));
        return converted ? file_write(fd, *ret_file, converted, 0, 0) : -ENOMEM;
}

/* Names of controllers that are missing, each once. */
static int tell_missing(Buf *missing, const char *file) {
        int n = (int) strcspn(file, ".");
        _cleanup_free_ char *word = str_format(" %.*s", n, file);

        if (!word)
                return -ENOMEM;
        return missing->p && strstr(missing->p, word) ? 0 : buf_puts(missing, word);
}

static int write_limit(int fd, const OciLimit *l, Buf *missing, Error *e) {
        const char *file = l->file;
        int r = streq(file, OCI_IO_WEIGHT) ? write_io_weight(fd, l->value, &file)
                                           : write_lines(fd, file, l->value);

        if (r >= 0 || (r == -ENOENT && l->optional))
                return 0;
        if (r == -ENOENT && !l->exact && !tree_has(file))
                return tell_missing(missing, file) < 0 ? error_oom(e) : 0;
        if (r == -ENOENT)
                return error_set(e, ENOENT, "the control group has no '%s': its controller is %s",
                                 file, tree_has(file) ? "not handed down" : "not there");
        return error_set(e, r, "cannot write '%.80s' to '%s' of the control group: %m", l->value,
                         file);
}

/* A limit below what is in use would have the kernel kill somebody. */
static int check_use(const OciMemory *m, int fd, Error *e) {
        _cleanup_free_ char *text = NULL;
        uint64_t used;

        if (!m->check_before_update.value || m->limit.value <= 0)
                return 0;
        if (file_read_line(fd, "memory.current", &text) < 0 ||
            parse_u64(text, 0, UINT64_MAX, &used) < 0)
                return 0;
        return used <= (uint64_t) m->limit.value
                       ? 0
                       : error_set(e, EBUSY,
                                   "memory.limit %jd is less than the %ju bytes that are in use",
                                   (intmax_t) m->limit.value, (uintmax_t) used);
}

int oci_resources_write(const OciResources *r, int cgroup_fd, Buf *notes, Error *e) {
        _cleanup_(oci_limits_done) OciLimits l = {};
        _cleanup_(buf_done) Buf missing = {};
        int k = oci_resources_plan(r, &l, notes, e);

        if (k >= 0)
                k = check_use(&r->memory, cgroup_fd, e);
        for (size_t i = 0; i < l.n && k >= 0; i++)
                k = write_limit(cgroup_fd, l.v + i, &missing, e);
        if (k >= 0 && missing.n > 0 && notes &&
            buf_printf(notes,
                       "limits that are not in force, for the host's control groups have no "
                       "such controller:%s\n",
                       missing.p) < 0)
                return error_oom(e);
        return k;
}
