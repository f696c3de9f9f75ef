/* For tests of prove/: takes the lines of a ledger, and makes times. */
#ifndef PROOF_H
#define PROOF_H

#include "prove/evidence.h"

/* Takes printf(3)'s line as an event. Returns what evidence_take() does; FOUND_IMPOSSIBLE if it is
 * no line of a ledger. */
enum finding take(struct evidence *evidence, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Frees the evidence, and makes it anew, with the lanes 0 and 1. */
void begin_evidence(struct evidence *evidence);

/* Visit ID over lane ID % 2, from SENT_MS to RECEIVED_MS, is acknowledged by web-0 as NUMBER.
 * Returns what the last event was. Its time is time_at(). */
enum finding visit(struct evidence *evidence, uint64_t id, uint64_t number, unsigned sent_ms,
                   unsigned received_ms);

/* The time of a visit with this number that was received then: MS after 2022-11-28 00:00:00. */
const char *time_at(unsigned ms, uint64_t number);

#endif
