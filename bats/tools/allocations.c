/* Counts the allocations of a program. With LD_PRELOAD and ALLOCATIONS=FILE, it writes their number
 * to FILE when the program exits. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of glibc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static atomic_ulong allocations;

void *malloc(size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(memory, size);
}

__attribute__((destructor)) static void report(void)
{
    char text[32];
    const char *path = getenv("ALLOCATIONS");
    int length = snprintf(text, sizeof text, "%lu\n", atomic_load(&allocations));
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd < 0 || write(fd, text, (size_t)length) != length)
        abort();
    (void)close(fd);
}
