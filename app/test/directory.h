/* A data folder for a test: made, filled, read and removed again. Ends the program on any failure,
 * since no test can go on then. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include <stddef.h>

/* Makes an empty folder below $TMPDIR and returns its path, which lives until directory_remove().
 */
char *directory_make(void);
void directory_remove(char *path);

/* The path of NAME in it; one call overwrites what another returned. */
const char *directory_path(const char *folder, const char *name);

void directory_write(const char *folder, const char *name, const void *data, size_t length);

/* The bytes of a file, from malloc(3), with a NUL after them; NULL if it is absent. */
char *directory_read(const char *folder, const char *name, size_t *ret_length);

/* The name of the first file whose name starts with PREFIX, or NULL; one call overwrites another's.
 */
const char *directory_find(const char *folder, const char *prefix);

#endif
