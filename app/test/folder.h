/* A data folder for a test: made, filled, read and removed again. Ends the program on any failure,
 * since no test can go on then. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stddef.h>

/* Makes an empty folder below $TMPDIR and returns its path, which lives until folder_remove(). */
char *folder_make(void);
void folder_remove(char *path);

/* The path of NAME in it; one call overwrites what another returned. */
const char *folder_path(const char *folder, const char *name);

void folder_write(const char *folder, const char *name, const void *data, size_t length);

/* The bytes of a file, from malloc(3), with a NUL after them; NULL if it is absent. */
char *folder_read(const char *folder, const char *name, size_t *ret_length);

/* The name of the first file whose name starts with PREFIX, or NULL; one call overwrites another's.
 */
const char *folder_find(const char *folder, const char *prefix);

#endif
