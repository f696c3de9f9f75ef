#ifndef LIST_H
#define LIST_H

#include "options.h"

/* `web-app visits`: prints the complete lines of the file on stdout, as selected by OPTIONS. A
 * server may append to the file meanwhile. Returns an exit code. If the file cannot be read or
 * stdout cannot be written, exits with EXIT_FAILED and a message. */
int list(const struct options *options);

#endif
