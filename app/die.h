/* One line on stderr for a person, and the exit codes that scripts may rely on.
 *
 * Only main.c and the files of single verbs call these; everything below returns an errno. */
#ifndef DIE_H
#define DIE_H

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_DURABILITY_LOST = 3, /* an fdatasync(2) failed: what is on disk is no longer known */
};

/* Writes "web-app: ..." and a newline with a single write(2), so that lines of several threads do
 * not mix. Keeps errno. A line is cut at 1,023 bytes. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As warn(), then exits. An assert(3) that fails writes such a line too, and aborts. */
_Noreturn void die(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
