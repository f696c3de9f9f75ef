/* A temporary data directory for a test. On any failure its functions end the program, since no
 * test can go on. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include <stddef.h>

/* Creates an empty directory below $TMPDIR and returns its path, which is freed by
 * directory_remove(). */
char *directory_make(void);
void directory_remove(char *directory);

/* The path of NAME in DIRECTORY. The next call overwrites it. */
const char *directory_path(const char *directory, const char *name);

void directory_write(const char *directory, const char *name, const void *data, size_t length);

/* The bytes of a file, from malloc(3), with a NUL after them; NULL if the file is absent. */
char *directory_read(const char *directory, const char *name, size_t *ret_length);

/* The name of a file whose name starts with PREFIX, or NULL. The next call overwrites it. */
const char *directory_find(const char *directory, const char *prefix);

#endif
