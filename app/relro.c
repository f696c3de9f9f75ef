#include "relro.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

static int protect(struct dl_phdr_info *program, size_t size, void *context)
{
    (void)size, (void)context;
    uintptr_t page = getauxval(AT_PAGESZ);
    for (unsigned i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &program->dlpi_phdr[i];
        if (segment->p_type != PT_GNU_RELRO)
            continue;
        uintptr_t start = program->dlpi_addr + segment->p_vaddr;
        uintptr_t first = start & ~(page - 1), end = (start + segment->p_memsz) & ~(page - 1);
        (void)mprotect((void *)first, end - first, PROT_READ);
    }
    return 1; /* stop: the first entry is the program, and a static program has no other */
}

void relro_protect(void)
{
    (void)dl_iterate_phdr(protect, NULL);
}
