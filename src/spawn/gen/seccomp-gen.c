/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Build-time program: looks the names of seccomp-groups.c and seccomp-sets.c up in libseccomp's tables and
 * writes the C file with the segments of every architecture that a kernel for the given CPU runs, and
 * with names, numbers and sets. Refuses a name that nobody knows, so that a typo cannot deny a call in
 * silence. */
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
} number_ranges[] = { { 0, SECCOMP_LOW_MAX },
                      { SECCOMP_FAR_FIRST, SECCOMP_FAR_FIRST + SECCOMP_FAR_MAX } };

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

/* Every name that some architecture has, as typos are to be told from calls that are not of this one. */
static struct {
        char *name;
        int32_t number[SECCOMP_COLUMNS];
        unsigned offset;
} calls[SECCOMP_CALLS_MAX];
static size_t n_calls;

static int add_call(const char *name, int column, int32_t number) {
        size_t i = 0;

        while (i < n_calls && strcmp(calls[i].name, name) != 0)
                i++;
        if (i == n_calls) {
                if (n_calls >= SECCOMP_CALLS_MAX)
                        return -E2BIG;
                calls[n_calls].name = strdup(name);
                if (!calls[n_calls].name)
                        return -ENOMEM;
                for (size_t c = 0; c < SECCOMP_COLUMNS; c++)
                        calls[n_calls].number[c] = -1;
                n_calls++;
        }
        if (column >= 0)
                calls[i].number[column] = number;
        return 0;
}

/* @column: -1 = the names alone */
static int add_arch(const Machine *machine, uint32_t arch, int column) {
        uint32_t bit = arch == SCMP_ARCH_X32 ? X32_BIT : 0;

        for (size_t i = 0; i < sizeof(number_ranges) / sizeof(number_ranges[0]); i++)
                for (uint32_t nr = number_ranges[i].first; nr < number_ranges[i].end; nr++) {
                        char *name = seccomp_syscall_resolve_num_arch(arch, (int) (nr | bit));
                        int r = name ? add_call(name, column, (int32_t) nr) : 0;

                        free(name);
                        if (r < 0)
                                return r;
                }
        for (size_t i = 0; i < seccomp_n_new_calls; i++) {
                const SeccompCall *c = seccomp_new_calls + i;
                bool here = !c->cpu ||
                            (column == 0 && strncmp(c->cpu, machine->cpu, strlen(c->cpu)) == 0);
                int r = add_call(c->name, here ? column : -1, c->number);

                if (r < 0)
                        return r;
        }

        return 0;
}

static int compare_calls(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Columns: the machine's own architectures in their order, then x32. */
static int collect_calls(const Machine *machine) {
        int column = 0, r = 0;

        for (size_t i = 0; i < ARCHES_MAX && machine->arch[i] != 0 && r >= 0; i++)
                r = add_arch(machine, machine->arch[i], column++);
        if (r >= 0 && machine->x32)
                r = add_arch(machine, SCMP_ARCH_X32, column++);
        for (size_t i = 0; i < sizeof(all_arches) / sizeof(all_arches[0]) && r >= 0; i++)
                r = add_arch(machine, all_arches[i], -1);
        qsort(calls, n_calls, sizeof(calls[0]), compare_calls);
        return r;
}

static void write_calls(FILE *out) {
        unsigned offset = 0;

        fprintf(out, "\nconst char seccomp_call_names[] =\n");
        for (size_t i = 0; i < n_calls; i++) {
                fprintf(out, "        \"%s\\0\"\n", calls[i].name);
                calls[i].offset = offset;
                offset += (unsigned) strlen(calls[i].name) + 1;
        }
        fprintf(out, "        ;\n\nconst SeccompCallRow seccomp_calls[] = {\n");
        for (size_t i = 0; i < n_calls; i++) {
                fprintf(out, "        { %u, {", calls[i].offset);
                for (size_t c = 0; c < SECCOMP_COLUMNS; c++)
                        fprintf(out, "%s%d", c > 0 ? ", " : " ", calls[i].number[c]);
                fprintf(out, " } }, /* %s */\n", calls[i].name);
        }
        fprintf(out, "};\nconst size_t seccomp_n_calls = %zu;\n", n_calls);
}

static const struct {
        uint32_t arch;
        const char *name;
        bool narrow;
} arch_names[] = {
        { SCMP_ARCH_X86_64, "X86_64", false },   { SCMP_ARCH_X86, "X86", true },
        { SCMP_ARCH_X32, "X32", true },          { SCMP_ARCH_AARCH64, "AARCH64", false },
        { SCMP_ARCH_ARM, "ARM", true },          { SCMP_ARCH_RISCV64, "RISCV64", false },
        { SCMP_ARCH_PPC64LE, "PPC64LE", false }, { SCMP_ARCH_S390X, "S390X", false },
        { SCMP_ARCH_S390, "S390", true },
};

static void write_column(uint32_t arch, unsigned index, uint32_t marker, FILE *out) {
        for (size_t i = 0; i < sizeof(arch_names) / sizeof(arch_names[0]); i++)
                if (arch_names[i].arch == arch)
                        fprintf(out, "        { \"SCMP_ARCH_%s\", %u, %d, 0x%xU },\n",
                                arch_names[i].name, index, arch_names[i].narrow, marker);
}

static void write_columns(const Machine *machine, FILE *out) {
        fprintf(out, "\nconst SeccompColumn seccomp_columns[SECCOMP_COLUMNS] = {\n");
        for (unsigned c = 0; c < ARCHES_MAX && machine->arch[c] != 0; c++)
                write_column(machine->arch[c], c, 0, out);
        if (machine->x32)
                write_column(SCMP_ARCH_X32, 0, X32_BIT, out);
        fprintf(out, "};\n");
}

/* Marks the members of a set, those of the sets in it as well. */
static int mark_members(const char *name, bool *marks) {
        const char *members = NULL;
        char *copy, *save = NULL;
        int r = 0;

        for (size_t i = 0; i < seccomp_n_set_rows; i++)
                if (strcmp(seccomp_set_rows[i].name, name) == 0)
                        members = seccomp_set_rows[i].members;
        copy = members ? strdup(members) : NULL;
        if (!copy) {
                fprintf(stderr, "seccomp-gen: there is no set '%s'\n", name);
                return -EINVAL;
        }
        for (char *p = strtok_r(copy, " ", &save); p && r >= 0; p = strtok_r(NULL, " ", &save)) {
                size_t i = 0;

                if (p[0] == '@') {
                        r = mark_members(p, marks);
                        continue;
                }
                r = check_name(p);
                while (i < n_calls && strcmp(calls[i].name, p) != 0)
                        i++;
                if (i < n_calls)
                        marks[i] = true;
        }
        free(copy);
        return r;
}

static int write_sets(FILE *out) {
        static size_t first[64], n[64];
        size_t total = 0;

        if (seccomp_n_set_rows > 64)
                return -E2BIG;
        fprintf(out, "\nconst uint16_t seccomp_set_members[] = {\n");
        for (size_t i = 0; i < seccomp_n_set_rows; i++) {
                bool marks[SECCOMP_CALLS_MAX] = {};
                int r = mark_members(seccomp_set_rows[i].name, marks);

                if (r < 0)
                        return r;
                first[i] = total;
                for (size_t j = 0; j < n_calls; j++)
                        if (marks[j]) {
                                fprintf(out, "        %zu, /* %s */\n", j, calls[j].name);
                                total++;
                        }
                n[i] = total - first[i];
        }
        fprintf(out, "};\n\nconst SeccompSet seccomp_sets[] = {\n");
        for (size_t i = 0; i < seccomp_n_set_rows; i++)
                fprintf(out, "        { \"%s\", %zu, %zu },\n", seccomp_set_rows[i].name, first[i],
                        n[i]);
        fprintf(out, "};\nconst size_t seccomp_n_sets = %zu;\n", seccomp_n_set_rows);
        return 0;
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

        if (check_groups() < 0 || collect_calls(machine) < 0)
                return 1;

        out = fopen(argv[2], "we");
        if (!out) {
                fprintf(stderr, "seccomp-gen: cannot open '%s' for writing: %m\n", argv[2]);
                return 1;
        }
        write_table(machine, out);
        write_calls(out);
        write_columns(machine, out);
        if (write_sets(out) < 0)
                return 1;
        if (fclose(out) != 0) {
                fprintf(stderr, "seccomp-gen: cannot write '%s': %m\n", argv[2]);
                return 1;
        }

        return 0;
}
