#ifndef LIST_H
#define LIST_H

#include "options.h"

/* `web-app visits`: prints the whole lines of the file as OPTIONS ask for them, also while a server
 * appends to it. Returns an exit code, or exits with a line about what cannot be read or written.
 */
int list(const struct options *options);

#endif
