/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs as a payload of the 32-bit architecture that an x86-64 kernel has besides its own. Without a C
 * library, because there need not be one for it. Prints "machine NAME", then of each system call given
 * as NUMBER[,ARGUMENT…] its number and what it returned. */
enum { NR_EXIT = 1, NR_WRITE = 4, NR_UNAME = 122 };

static long call(long nr, long a, long b, long c) {
        long r;

        __asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
        return r;
}

static long length(const char *s) {
        long n = 0;

        while (s[n])
                n++;
        return n;
}

static void put(const char *s) {
        (void) call(NR_WRITE, 1, (long) s, length(s));
}

static void put_number(long v) {
        char text[16], *p = text + sizeof text - 1;
        unsigned long u = v < 0 ? 0UL - (unsigned long) v : (unsigned long) v;

        *p = '\0';
        do
                *--p = (char) ('0' + u % 10);
        while (u /= 10);
        if (v < 0)
                *--p = '-';
        put(p);
}

static long read_number(const char **s) {
        long v = 0;
        int negative = **s == '-';

        *s += negative;
        while (**s >= '0' && **s <= '9')
                v = v * 10 + (*(*s)++ - '0');
        *s += **s == ',';
        return negative ? -v : v;
}

void begin(const long *stack);

/* @stack: as the kernel leaves it: argc, argv */
__attribute__((noreturn, used)) void begin(const long *stack) {
        static char names[6][65];
        const char *const *argv = (const char *const *) (stack + 1);

        (void) call(NR_UNAME, (long) names, 0, 0);
        put("machine ");
        put(names[4]);
        put("\n");
        for (long i = 1; i < stack[0]; i++) {
                const char *s = argv[i];
                long nr = read_number(&s), a = read_number(&s), b = read_number(&s);

                put_number(nr);
                put(" ");
                put_number(call(nr, a, b, read_number(&s)));
                put("\n");
        }
        for (;;)
                (void) call(NR_EXIT, 0, 0, 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "\tmov %esp, %eax\n"
        "\tand $-16, %esp\n"
        "\tsub $12, %esp\n"
        "\tpush %eax\n"
        "\tcall begin\n");
