#include "site/process_metrics.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Converts AFTER_BOOT, in hundredths of a second, to Unix time. Computes it once: two clocks are
 * read one after the other, and one of them may be set, so the result varies. Prometheus would take
 * another start time for a restart. */
static uint64_t start_time(uint64_t after_boot)
{
    static _Atomic uint64_t known;
    uint64_t found = 0;
    uint64_t boot = (uint64_t)(clock_read_ns(CLOCK_REALTIME) - clock_read_ns(CLOCK_BOOTTIME));
    uint64_t started = boot / 10000000 + after_boot;
    return atomic_compare_exchange_strong(&known, &found, started) ? started : found;
}

int process_read_stat(struct process_stat *ret_stat)
{
    char stat[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, stat, sizeof stat - 1);
    (void)close(fd);
    if (got <= 0)
        return -1;
    stat[got] = '\0';
    /* As proc_pid_stat(5) numbers them. They are separated by spaces, but the second one, the name
     * of the command in parentheses, may have spaces itself. */
    enum {
        NAME = 2,
        USER = 14,
        SYSTEM = 15,
        THREADS = 20,
        STARTED = 22,
        VIRTUAL = 23,
        RESIDENT = 24
    };
    unsigned long long fields[RESIDENT + 1] = {0};
    const char *field = strrchr(stat, ')');
    for (unsigned i = NAME + 1; field && i <= RESIDENT && (field = strchr(field, ' ')); i++)
        fields[i] = strtoull(++field, NULL, 10);
    if (!field)
        return -1;
    unsigned long long ticks = getauxval(AT_CLKTCK);
    *ret_stat = (struct process_stat){.cpu_cs = (fields[USER] + fields[SYSTEM]) * 100 / ticks,
                                      .start_cs = start_time(fields[STARTED] * 100 / ticks),
                                      .resident_bytes = fields[RESIDENT] * getauxval(AT_PAGESZ),
                                      .virtual_bytes = fields[VIRTUAL],
                                      .threads = fields[THREADS]};
    return 0;
}

int process_count_descriptors(unsigned *ret_count)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    (void)closedir(directory);
    *ret_count = count - 1; /* without the descriptor of the directory itself */
    return 0;
}
