/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUs, out-of-memory score and personality of a machine, see resource.h. Limits are in limit.c. */
#include "spawn/resource.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "spawn/spec.h"

/* What the kernel can say to uname(2), by the names that units use. */
static const struct {
        const char *name;
        int personality;
} personalities[] = {
#if defined __x86_64__
        { "x86-64", PER_LINUX },
        { "x86", PER_LINUX32 },
#elif defined __aarch64__
        { "arm64", PER_LINUX },
        { "arm", PER_LINUX32 },
#elif defined __s390x__
        { "s390x", PER_LINUX },
        { "s390", PER_LINUX32 },
#elif defined __powerpc64__
        { "ppc64-le", PER_LINUX },
        { "ppc-le", PER_LINUX32 },
#elif defined __riscv
        { "riscv64", PER_LINUX },
#elif defined __i386__
        { "x86", PER_LINUX },
#else
        { "arm", PER_LINUX },
#endif
};

/* The 32-bit architecture beside our own. */
#if defined __x86_64__
#define SECONDARY_MACHINE EM_386
#elif defined __aarch64__
#define SECONDARY_MACHINE EM_ARM
#elif defined __s390x__
#define SECONDARY_MACHINE EM_S390
#else
#define SECONDARY_MACHINE EM_NONE
#endif

static int parse_cpu(const char *s, size_t n, uint32_t *ret) {
        char text[8];

        if (n == 0 || n >= sizeof text)
                return -EINVAL;
        memcpy(text, s, n);
        text[n] = '\0';
        return parse_u32(text, ret);
}

static int parse_cpu_range(const char *s, CpuSet *set, Error *e) {
        size_t n = strcspn(s, "-");
        uint32_t first = 0, last;
        int r = parse_cpu(s, n, &first);

        last = first;
        if (r >= 0 && s[n] == '-')
                r = parse_cpu(s + n + 1, strlen(s + n + 1), &last);
        if (r >= 0 && last >= CPUS_MAX)
                r = -ERANGE;
        if (r < 0 || first > last)
                return error_set(e, r < 0 ? r : -EINVAL,
                                 "'%.40s' is not a CPU or a range of CPUs like 0-3", s);
        for (uint32_t i = first; i <= last; i++)
                set->words[i / 64] |= UINT64_C(1) << i % 64;
        return 0;
}

int cpu_set_parse(const char *s, CpuSet *set, Error *e) {
        _cleanup_strv_ char **words = NULL;

        if (str_split(s, ", \t\n", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                int r = parse_cpu_range(*word, set, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int resource_setting_cpus(const Setting *row, const char *value, void *at, Error *e) {
        CpuSet **set = at;

        if (!*value) {
                free(*set);
                *set = NULL;
                return 0;
        }
        if (!*set) {
                *set = calloc(1, sizeof **set);
                if (!*set)
                        return error_oom(e);
        }
        return cpu_set_parse(value, *set, e);
}

int resource_setting_oom(const Setting *row, const char *value, void *at, Error *e) {
        int32_t v;

        if (parse_i32(value, &v) < 0 || v < -1000 || v > 1000)
                return error_set(e, EINVAL, "'%.40s' is not a number from -1000 to 1000", value);
        *(int *) at = v;
        return 0;
}

int resource_setting_personality(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_(buf_done) Buf known = {};

        for (size_t i = 0; i < ELEMENTSOF(personalities); i++) {
                if (streq(value, personalities[i].name)) {
                        *(int *) at = personalities[i].personality;
                        return 0;
                }
                (void) buf_printf(&known, "%s%s", i > 0 ? ", " : "", personalities[i].name);
        }
        return error_set(e, EINVAL, "'%.40s' is not one of %s", value, strempty(known.p));
}

int resource_elf_personality(const void *head, size_t n) {
        Elf32_Ehdr h;

        if (n < sizeof h)
                return PERSONALITY_UNSET;
        memcpy(&h, head, sizeof h);
        if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS32 ||
            SECONDARY_MACHINE == EM_NONE || h.e_machine != SECONDARY_MACHINE)
                return PERSONALITY_UNSET;
        return PER_LINUX32;
}

static int apply_oom(int adjust, Error *e) {
        char text[16];

        (void) snprintf(text, sizeof text, "%d", adjust);
        int r = file_write(AT_FDCWD, "/proc/self/oom_score_adj", text, 0, 0);
        if (r == -EACCES)
                return error_set(
                        e, r,
                        "cannot set the OOM score to %d: less than we have ourselves needs "
                        "CAP_SYS_RESOURCE",
                        adjust);
        return r < 0 ? error_set(e, r, "cannot set the OOM score to %d: %m", adjust) : 0;
}

/* By the system call: the C library's set is too small for the largest machines. */
static int apply_cpus(const CpuSet *set, Error *e) {
        if (syscall(SYS_sched_setaffinity, 0, sizeof set->words, set->words) >= 0)
                return 0;
        if (errno == EINVAL)
                return error_set(e, EINVAL,
                                 "none of the CPUs that the machine may run on is one we may use");
        return error_set(e, errno, "cannot set the CPUs to run on: %m");
}

int resource_apply(const struct Spec *spec, int wanted, Error *e) {
        int r = 0;

        if (spec->oom_score_adjust != OOM_SCORE_ADJUST_UNSET)
                r = apply_oom(spec->oom_score_adjust, e);
        if (r >= 0 && spec->cpu_affinity)
                r = apply_cpus(spec->cpu_affinity, e);
        if (r >= 0 && wanted != PERSONALITY_UNSET && personality((unsigned long) wanted) < 0)
                r = error_set(e, errno, "cannot set the personality: %m");
        return r;
}

static int format_cpus(const CpuSet *set, Buf *out) {
        int r = buf_puts(out, "CPUs:");

        for (unsigned i = 0; i < CPUS_MAX && r >= 0; i++)
                if (set->words[i / 64] >> i % 64 & 1)
                        r = buf_printf(out, " %u", i);
        return r < 0 ? r : buf_puts(out, "\n");
}

int resource_format(const struct Spec *spec, int wanted, Buf *out) {
        int r = 0;

        if (spec->oom_score_adjust != OOM_SCORE_ADJUST_UNSET)
                r = buf_printf(out, "OOM score: %d\n", spec->oom_score_adjust);
        if (r >= 0 && spec->cpu_affinity)
                r = format_cpus(spec->cpu_affinity, out);
        for (size_t i = 0; i < ELEMENTSOF(personalities) && r >= 0; i++)
                if (wanted == personalities[i].personality)
                        r = buf_printf(out, "personality: %s\n", personalities[i].name);
        return r;
}
