/* Gives up what serving does not need, so that a flaw in the program gives an attacker little:
 *
 * - seccomp(2) allows only the system calls of a list. Another one ends the process with a log line
 *   that has its number, and EXIT_FORBIDDEN_CALL. While musl blocks all signals, as in fork(3), the
 *   kernel ends it without a line, by SIGSYS.
 * - landlock(7) allows only the files in the data directory and in /proc/self, and no TCP
 *   connection to elsewhere. Other attempts fail with EACCES.
 *
 * Neither can be undone. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "options.h"

#include <stdbool.h>

/* To be called when the sockets are open, and before the first thread starts: threads inherit both
 * restrictions. Creates DIRECTORY if it is absent. SANDBOX_AUTO: warns of what this machine does
 * not have; SANDBOX_ON: exits then, with a message. Returns SANDBOX_ON, _PARTIAL or _OFF. */
enum sandbox sandbox_enter(enum sandbox wanted, const char *directory);

/* Is the directory at PATH out of reach, since it is not the one that was there at
 * sandbox_enter()? */
bool sandbox_excludes(const char *path);

#endif
