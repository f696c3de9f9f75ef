/* The ledger as a file: events go into it and into the evidence together. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "prove/evidence.h"
#include "prove/ledger.h"

#include <stdbool.h>

/* A process that is killed loses none of what was flushed. */
struct journal {
    const char *path; /* "-": stdout */
    int fd;           /* -1: events go into the evidence alone */
    int error;        /* the errno of a write that failed; nothing is written from then on */
    struct evidence *evidence;
    int64_t clock_us; /* of CLOCK_REALTIME minus CLOCK_MONOTONIC when it was opened */
    struct text text;
    char buffer[65536];
};

/* Reads the ledger PATH into EVIDENCE. Returns 0, or -1 with one line in MESSAGE. A last line
 * without its newline was torn when the prover was killed, and is not read. *RET_LENGTH is the
 * length of the whole lines; it may be NULL. */
int journal_read(const char *path, struct evidence *evidence, int64_t *ret_length, char *message,
                 size_t size);

/* Opens the ledger PATH, which must be absent. If RESUME, it may exist: it is read, and a torn line
 * at its end is removed. Returns 0, 1: it exists, or -1; then with one line in MESSAGE. */
int journal_open(struct journal *journal, const char *path, bool resume, struct evidence *evidence,
                 char *message, size_t size);

void journal_without_file(struct journal *journal, struct evidence *evidence);

/* The time in µs since 1970 by the prover's clock, which does not jump. */
int64_t journal_now_us(const struct journal *journal);

/* Notes EVENT at its time, or now if that is 0. */
enum finding journal_note(struct journal *journal, struct event *event);

/* Writes what was noted with one write(2). */
void journal_flush(struct journal *journal);

#endif
