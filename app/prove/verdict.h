/* The verdict, and the report as text for people and as JSON. */
#ifndef VERDICT_H
#define VERDICT_H

#include "prove/comparison.h"
#include "prove/evidence.h"

/* The exit codes. The worst that holds is the verdict: loss outranks what was not proven, and that
 * outranks a budget. */
enum verdict {
    VERDICT_PROVEN = 0,
    VERDICT_NOT_PROVEN = 1,
    VERDICT_LOST = 3,
    VERDICT_OVER_BUDGET = 4
};

struct pod_proof {
    struct pod *pod;
    bool is_read;
    int64_t grace_us;
    struct comparison comparison;
};

struct proof {
    const struct evidence *evidence;
    struct pod_proof *pods;
    unsigned pods_count;
    bool is_alone, requires_fault;
    int64_t grace_us;     /* INT64_MAX: that of each pod's sync mode */
    int64_t max_gap_us;   /* INT64_MAX: any */
    uint64_t max_refused; /* UINT64_MAX: any */
    const char *failure;  /* why the prover itself failed, or NULL */
};

/* Sets the grace of POD, by its sync mode as far as that is known: in `interval` a sync begins once
 * a second, and takes its time; without, Linux writes pages after up to 35 s
 * (dirty_expire_centisecs and dirty_writeback_centisecs, proc_sys_vm(5)). */
void proof_set_grace(const struct proof *proof, struct pod_proof *pod);

/* Returns the verdict, with the last line of the report in *LINE, without its newline. */
enum verdict proof_verdict(const struct proof *proof, struct text *line);

/* Write the report to FD; the text with PREFIX before each line but the last, the verdict. Return
 * 0, or -1 with errno. */
int proof_write_text(const struct proof *proof, int fd, const char *prefix);
int proof_write_json(const struct proof *proof, int fd);

/* Appends a duration: 0.4 ms, 3.2 s, 12 min. */
void put_duration(struct text *text, int64_t us);

#endif
