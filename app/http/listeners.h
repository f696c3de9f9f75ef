/* The sockets that event loops accept connections from. */
#ifndef LISTENERS_H
#define LISTENERS_H

#include <stddef.h>

enum { LISTENERS_BACKLOG = 1024 }; /* connections that wait to be accepted, of each socket */

struct listeners;

/* Binds ADDRESS: PORT, ADDRESS:PORT or [ADDRESS]:PORT; a port alone means all addresses of IPv6 and
 * IPv4. Returns NULL with the reason in MESSAGE. */
struct listeners *listeners_open(const char *address, char *message, size_t size);

unsigned listeners_count(const struct listeners *listeners);
int listeners_socket(const struct listeners *listeners, unsigned index);

/* "127.0.0.1:8080": an address that reaches them from this machine, with the port that was bound
 * also where port 0 was asked for. */
void listeners_describe(const struct listeners *listeners, char *text, size_t size);

/* From now on a client that connects is refused. */
void listeners_shut(struct listeners *listeners);

void listeners_close(struct listeners *listeners);

#endif
