/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Build-time program: looks the names of seccomp-groups.c up in libseccomp's tables and writes the C
 * file with the segments of every architecture that a kernel for the given CPU runs. Refuses a name
 * that nobody knows, so that a typo cannot deny a call in silence. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spawn/gen/seccomp-groups.h"

#define ARCHES_MAX 2
#define X32_BIT    0x40000000U

/* Where architectures keep their numbers: from 0 on, and ARM some private ones far up. */
static const struct {
        uint32_t first, end;
} number_ranges[] = { { 0, 1024 }, { 0xf0000, 0xf0010 } };

/* What the kernel for a CPU runs without an emulator. */
typedef struct Machine {
        const char *cpu; /* as meson's host_machine.cpu_family() and endian() put together */
        uint32_t arch[ARCHES_MAX];
        bool x32;
} Machine;

static const Machine machines[] = {
        { .cpu = "x86_64-little", .arch = { SCMP_ARCH_X86_64, SCMP_ARCH_X86 }, .x32 = true },
        { .cpu = "x86-little", .arch = { SCMP_ARCH_X86 } },
        { .cpu = "aarch64-little", .arch = { SCMP_ARCH_AARCH64, SCMP_ARCH_ARM } },
        { .cpu = "arm-little", .arch = { SCMP_ARCH_ARM } },
        { .cpu = "riscv64-little", .arch = { SCMP_ARCH_RISCV64 } },
        { .cpu = "ppc64-little", .arch = { SCMP_ARCH_PPC64LE } },
        { .cpu = "s390x-big", .arch = { SCMP_ARCH_S390X, SCMP_ARCH_S390 } },
};

static const uint32_t all_arches[] = {
        SCMP_ARCH_X86_64,  SCMP_ARCH_X86,     SCMP_ARCH_X32,   SCMP_ARCH_AARCH64, SCMP_ARCH_ARM,
        SCMP_ARCH_RISCV64, SCMP_ARCH_PPC64LE, SCMP_ARCH_S390X, SCMP_ARCH_S390,
};

static const SeccompCall *find_new_call(const char *name) {
        for (size_t i = 0; i < seccomp_n_new_calls; i++)
                if (strcmp(seccomp_new_calls[i].name, name) == 0)
                        return seccomp_new_calls + i;

        return NULL;
}

static int check_name(const char *name) {
        if (find_new_call(name))
                return 0;

        for (size_t i = 0; i < sizeof(all_arches) / sizeof(all_arches[0]); i++)
                if (seccomp_syscall_resolve_name_arch(all_arches[i], name) != __NR_SCMP_ERROR)
                        return 0;

        fprintf(stderr, "seccomp-gen: nobody knows a system call '%s'\n", name);
        return -EINVAL;
}

/* Every name must be some architecture's, and none may be in two groups. */
static int check_groups(void) {
        for (size_t i = 0; i < seccomp_n_groups; i++) {
                char *names = strdup(seccomp_groups[i].names), *save = NULL;
                int r = 0;

                if (!names)
                        return -ENOMEM;
                for (char *p = strtok_r(names, " ", &save); p && r >= 0;
                     p = strtok_r(NULL, " ", &save)) {
                        r = check_name(p);
                        if (r >= 0 && seccomp_group_kind(p) != seccomp_groups[i].kind) {
                                fprintf(stderr, "seccomp-gen: '%s' is in two groups\n", p);
                                r = -EINVAL;
                        }
                }
                free(names);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Name of a number; the caller frees it. NULL: the number is nobody's. */
static char *resolve_number(const Machine *machine, uint32_t arch, uint32_t number) {
        char *name = seccomp_syscall_resolve_num_arch(arch, (int) number);
        size_t cpu_n = strcspn(machine->cpu, "-");

        if (!name && machine->x32 && arch == SCMP_ARCH_X86_64)
                name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X32, (int) (number | X32_BIT));

        for (size_t i = 0; !name && i < seccomp_n_new_calls; i++) {
                const SeccompCall *c = seccomp_new_calls + i;
                bool here = !c->cpu || (arch == machine->arch[0] && strlen(c->cpu) == cpu_n &&
                                        strncmp(c->cpu, machine->cpu, cpu_n) == 0);

                if (here && (uint32_t) c->number == number)
                        name = strdup(c->name);
        }

        return name;
}

static size_t write_segments(const Machine *machine, uint32_t arch, FILE *out) {
        SeccompKind last = _SECCOMP_KIND_MAX;
        size_t n = 0;

        for (size_t i = 0; i < sizeof(number_ranges) / sizeof(number_ranges[0]); i++)
                for (uint32_t nr = number_ranges[i].first; nr < number_ranges[i].end; nr++) {
                        char *name = resolve_number(machine, arch, nr);
                        SeccompKind kind = name ? seccomp_group_kind(name) : SECCOMP_KIND_UNKNOWN;

                        if (kind != last) {
                                fprintf(out, "        SECCOMP_SEGMENT(%u, %d), /* %s */\n", nr,
                                        (int) kind, name ? name : "unknown");
                                last = kind;
                                n++;
                        }
                        free(name);
                }

        return n;
}

static void write_table(const Machine *machine, FILE *out) {
        size_t n[ARCHES_MAX] = {}, first = 0, n_arches = 0;

        fprintf(out,
                "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
                "/* Written by seccomp-gen for %s. */\n"
                "#include \"spawn/seccomp-table.h\"\n\n"
                "const uint32_t seccomp_segments[] = {\n",
                machine->cpu);
        for (; n_arches < ARCHES_MAX && machine->arch[n_arches] != 0; n_arches++)
                n[n_arches] = write_segments(machine, machine->arch[n_arches], out);

        fprintf(out, "};\n\nconst SeccompArch seccomp_arches[] = {\n");
        for (size_t i = 0; i < n_arches; i++) {
                fprintf(out,
                        "        { .audit_arch = 0x%xU, .ignore = 0x%xU, .first = %zu, .n = %zu },\n",
                        machine->arch[i], i == 0 && machine->x32 ? X32_BIT : 0, first, n[i]);
                first += n[i];
        }
        fprintf(out, "};\nconst size_t seccomp_n_arches = %zu;\n", n_arches);
}

int main(int argc, char **argv) {
        const Machine *machine = NULL;
        FILE *out;

        if (argc != 3) {
                fprintf(stderr, "usage: seccomp-gen CPU-ENDIAN OUTPUT\n");
                return 2;
        }

        for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
                if (strcmp(machines[i].cpu, argv[1]) == 0)
                        machine = machines + i;
        if (!machine) {
                fprintf(stderr, "seccomp-gen: the system calls of '%s' are not known here\n",
                        argv[1]);
                return 1;
        }

        if (check_groups() < 0)
                return 1;

        out = fopen(argv[2], "we");
        if (!out) {
                fprintf(stderr, "seccomp-gen: cannot open '%s' for writing: %m\n", argv[2]);
                return 1;
        }
        write_table(machine, out);
        if (fclose(out) != 0) {
                fprintf(stderr, "seccomp-gen: cannot write '%s': %m\n", argv[2]);
                return 1;
        }

        return 0;
}
