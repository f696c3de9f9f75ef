#ifndef RELRO_H
#define RELRO_H

/* Makes the relocated addresses of a position-independent program read-only, as `-z relro` asks
 * for: a dynamic linker does so, the start code of musl's static programs does not. */
void relro_protect(void);

#endif
