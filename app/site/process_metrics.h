/* Statistics of this process from the kernel, for metrics.c. */
#ifndef PROCESS_METRICS_H
#define PROCESS_METRICS_H

#include <stdint.h>

/* From /proc/self/stat (proc_pid_stat(5)). */
struct process_stat {
    uint64_t cpu_cs;   /* user and system time, in hundredths of a second */
    uint64_t start_cs; /* when it started, in hundredths of a second of Unix time; never changes */
    uint64_t resident_bytes, virtual_bytes, threads;
};

/* Returns 0, or -1 if /proc cannot be read. */
int process_read_stat(struct process_stat *ret_stat);

/* Counts the open descriptors. Returns 0, or -1 if /proc cannot be read. */
int process_count_descriptors(unsigned *ret_count);

#endif
