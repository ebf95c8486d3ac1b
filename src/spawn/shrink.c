/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving memory back, see shrink.h. Building a machine goes through code that waiting for it never
 * touches again. */
#include "spawn/shrink.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/system-call.h"

#define SEGMENTS_MAX 32

typedef struct Segments {
        size_t n;
        struct {
                uintptr_t start, size;
        } list[SEGMENTS_MAX];
} Segments;

/* Only segments that were mapped without the right to write: what is read-only after relocation lies in
 * one that had it, and differs from the file. */
static int list_segments(struct dl_phdr_info *object, size_t size, void *userdata) {
        uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
        Segments *s = userdata;

        (void) size;
        for (unsigned i = 0; i < object->dlpi_phnum && s->n < SEGMENTS_MAX; i++) {
                const ElfW(Phdr) *h = object->dlpi_phdr + i;
                if (h->p_type != PT_LOAD || (h->p_flags & PF_W))
                        continue;
                uintptr_t start = (object->dlpi_addr + h->p_vaddr) & ~(page - 1);
                uintptr_t end = object->dlpi_addr + h->p_vaddr + h->p_memsz;
                s->list[s->n].start = start;
                s->list[s->n++].size = end - start;
        }
        return 0;
}

/* Calls nothing: what it runs through is all that stays. */
__attribute__((noinline)) static long let_go_and_poll(const Segments *s, struct pollfd *fds,
                                                      nfds_t n, struct timespec *timeout) {
        for (size_t i = 0; i < s->n; i++) /* the vdso refuses, and is shared by all anyway */
                (void) system_call(SYS_madvise, (long) s->list[i].start, (long) s->list[i].size,
                                   MADV_DONTNEED, 0);
        return system_call(SYS_ppoll, (long) fds, (long) n, (long) timeout, 0);
}

int shrink_and_wait(struct pollfd *fds, nfds_t n, int msec) {
        struct timespec timeout = { .tv_sec = msec / 1000, .tv_nsec = msec % 1000 * 1000000L };
        Segments s = { .n = 0 };

        (void) malloc_trim(0);
        (void) dl_iterate_phdr(list_segments, &s);
        return (int) let_go_and_poll(&s, fds, n, msec < 0 ? NULL : &timeout);
}
