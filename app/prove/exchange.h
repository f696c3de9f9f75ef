/* One request and its response on a non-blocking connection, which may be kept for the next. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "http/client_response.h"
#include "prove/target.h"

#include <stdint.h>

enum exchange_state {
    EXCHANGE_CONNECTING,
    EXCHANGE_CONNECTED, /* nothing is sent yet */
    EXCHANGE_SENT,
    EXCHANGE_KEPT, /* the response is complete, and the connection is kept */
};

enum exchange_purpose { PURPOSE_VISIT, PURPOSE_VERSION, PURPOSE_READ };

struct exchange {
    struct exchange *next, *previous; /* in the list that it is in */
    int fd;
    enum exchange_state state;
    enum exchange_purpose purpose;
    struct target *target;
    unsigned lane;
    uint64_t id;
    int64_t due_us, deadline_us;
    struct client_response *response; /* from the first byte on, so that waiting costs little */
};

/* Starts to connect to ADDRESS. Returns NULL with errno. */
struct exchange *exchange_connect(const struct address *address);

/* To be called when the socket of a CONNECTING exchange is writable. Returns 0: it is CONNECTED, or
 * -1 with errno. */
int exchange_connected(struct exchange *exchange);

/* Has the server closed a KEPT connection, or sent what nobody asked for? */
bool exchange_is_stale(const struct exchange *exchange);

/* Sends a GET for PREFIX and PATH. Returns 0, or -1 with errno: part of it may have been sent. */
int exchange_send(struct exchange *exchange, const char *prefix, const char *path,
                  const char *fields);

/* Receives what has arrived. Returns 1: the response is complete or malformed, 0: there is more to
 * come, or -1 with errno; ENODATA: the connection was closed before the end. */
int exchange_receive(struct exchange *exchange);

/* Frees the response; the connection may be used again. */
void exchange_reset(struct exchange *exchange);

/* Closes and frees it. */
void exchange_close(struct exchange *exchange);

/* Copies the string or number of member NAME of the flat JSON object in BODY. Returns 0, or -1:
 * absent, or of SIZE bytes or more with its NUL. */
int json_member(const char *body, size_t length, const char *name, char *buffer, size_t size);

#endif
