#ifndef RELRO_H
#define RELRO_H

/* Makes the relocated addresses of a position-independent program read-only, as `-z relro` requests
 * (ld(1)). A dynamic linker does this; the start code of a static musl program does not. */
void relro_protect(void);

#endif
