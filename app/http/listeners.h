/* The listening sockets of event loops. */
#ifndef LISTENERS_H
#define LISTENERS_H

#include <stddef.h>

enum { LISTENERS_BACKLOG = 1024 }; /* waiting connections per socket (listen(2)) */

struct listeners;

/* Binds ADDRESS and listens. ADDRESS is PORT, ADDRESS:PORT or [ADDRESS]:PORT; a port alone means
 * all addresses of IPv6 and IPv4. Returns NULL on failure, with the reason in MESSAGE of SIZE
 * bytes. */
struct listeners *listeners_open(const char *address, char *message, size_t size);

unsigned listeners_count(const struct listeners *listeners);
int listeners_socket(const struct listeners *listeners, unsigned index);

/* Writes an address that reaches them from this machine, such as "127.0.0.1:8080". The port is the
 * bound one, even if port 0 was requested. */
void listeners_describe(const struct listeners *listeners, char *text, size_t size);

/* Refuses clients that connect from now on. */
void listeners_shut(struct listeners *listeners);

void listeners_close(struct listeners *listeners);

#endif
