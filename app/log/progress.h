/* How far the reading of visits.txt has come, for everyone who waits for it. The process has one
 * log, so there is one progress: the thread that reads sets it, any thread may ask. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

enum { EXPLANATION_SIZE = 80 };

/* DONE of TOTAL bytes have been read by STEP, a string that stays valid, such as "reading". */
void progress_set(const char *step, uint64_t done, uint64_t total);

/* Writes in words why a visit cannot be recorded, from the errno FAULT. EINPROGRESS: the file is
 * being read, and the percentage is added. */
void explain_fault(int fault, char ret_text[EXPLANATION_SIZE]);

#endif
