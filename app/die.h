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
    EXIT_FORBIDDEN_CALL = 4,  /* a system call that sandbox.c does not allow */
};

/* Write "web-app: ..." and a newline with one write(2), so that lines of several threads do not
 * mix. Truncate the line to 1,023 bytes; control characters become "?". Keep errno. The level:
 * inform() for the normal course of things, warn() if visits are recorded all the same, alert() if
 * they are not, or the program is about to exit. */
void inform(const char *format, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void alert(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on each line is a JSON object with the members "time" (RFC 3339, in UTC), "level" and
 * "message"; a message that is too long is truncated within it. To be called as soon as the option
 * is known, before there are threads: a complaint about another option is JSON too if this one was
 * parsed before it, and those of the environment are. */
void log_as_json(void);

/* From now on a thread writes the lines, and none of these waits for stderr; before, they wait up
 * to a second, once. Any write may block: to a pipe that nobody reads, a terminal that ^S has
 * stopped, a file on a disk that hangs. O_NONBLOCK would not help: it does nothing for files, and
 * other processes share the open file description (open(2)). 16 lines may wait. What does not fit,
 * or fails, is dropped and counted in the metrics, and a line says so once stderr takes lines
 * again. exit(3) waits for up to a second. Block all signals that have a handler before; the thread
 * inherits the mask. */
void log_in_background(void);

/* Like alert(), then exits. An assert(3) that fails also writes such a line, with its file and
 * line, then aborts. */
_Noreturn void die(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
