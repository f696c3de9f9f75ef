/* Log lines on stderr, and the exit codes that scripts may rely on.
 *
 * Only the files directly in app/ use these. The files in the directories report failures with
 * errno or a message. */
#ifndef DIE_H
#define DIE_H

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_DURABILITY_LOST = 3, /* a sync failed: the durable content of the file is unknown */
};

/* Writes "web-app: ..." and a newline with one write(2), so that lines of several threads do not
 * mix. Truncates the line to 1,023 bytes; control characters become "?". Keeps errno. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like warn(), then exits. An assert(3) that fails also writes such a line, then aborts. */
_Noreturn void die(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
