/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving memory back, see shrink.h. Building a machine goes through code that waiting for it never
 * touches again. */
#include "spawn/shrink.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only segments that were mapped without the right to write: what is read-only after relocation lies in
 * one that had it, and differs from the file. */
static int drop_segments(struct dl_phdr_info *object, size_t size, void *userdata) {
        uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);

        for (unsigned i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *h = object->dlpi_phdr + i;
                if (h->p_type != PT_LOAD || (h->p_flags & PF_W))
                        continue;
                uintptr_t start = (object->dlpi_addr + h->p_vaddr) & ~(page - 1);
                uintptr_t end = object->dlpi_addr + h->p_vaddr + h->p_memsz;
                (void) madvise((void *) start, end - start, MADV_DONTNEED); /* vdso cannot; fine */
        }
        return 0;
}

void shrink(void) {
        (void) malloc_trim(0);
        (void) dl_iterate_phdr(drop_segments, NULL);
}
