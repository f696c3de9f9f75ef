/* What this program takes from civetweb: its listening sockets and its request parser. listeners.c
 * is the only file that knows civetweb's internals. */
#ifndef LISTENERS_H
#define LISTENERS_H

#include <civetweb.h>

#include <stddef.h>

enum { LISTENERS_BACKLOG = 1024 }; /* connections that wait to be accepted, of each socket */

/* The sockets that event loops accept from. */
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

/* Splits the LENGTH bytes of a head that request_scan() has found whole into *RET_INFO, in place.
 * Returns 0 or a status. */
int listeners_parse(char *head, size_t length, struct mg_request_info *ret_info);

#endif
