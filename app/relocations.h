#ifndef RELOCATIONS_H
#define RELOCATIONS_H

/* Makes what the start of a position-independent program has relocated read-only, as `-z relro`
 * asks for: a dynamic linker does that by itself, the start of a static program in musl does not.
 */
void relocations_protect(void);

#endif
