/* One client's connection as an event loop keeps it: small, since most are idle, with buffers only
 * while they hold something. It has no socket of its own logic; the loop moves it from list to
 * list. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum connection_state {
    CONNECTION_IDLE,      /* no request has begun since it opened or since the last answer */
    CONNECTION_READING,   /* a part of a request has come */
    CONNECTION_READY,     /* bytes that came with the request before may hold another */
    CONNECTION_DEFERRED,  /* its request waits for the commit at the end of this turn */
    CONNECTION_WRITING,   /* a part of its answer has not been taken by the client */
    CONNECTION_SLOW,      /* the same, and the socket has taken nothing for a while */
    CONNECTION_LINGERING, /* answered for the last time; the client has yet to close */
    CONNECTION_CLOSED,    /* to be freed at the end of this turn */
    CONNECTION_STATES
};

struct connection {
    struct connection *previous, *next;
    char *input;           /* bytes not taken as a request yet, of REQUEST_HEAD_MAX, or NULL */
    char *output;          /* what the client has not taken of an answer, or NULL */
    struct stream *stream; /* what comes after `output`, or NULL */
    int64_t since_ms;      /* when it entered its state */
    uint32_t input_length, output_length, output_sent;
    uint32_t events;         /* what epoll(7) is asked for */
    uint32_t unacknowledged; /* bytes sent, when last looked at in this state; 0: not yet */
    int socket;
    int tag;
    enum connection_state state;
    bool keep_alive, head_only, http_1_0; /* of the request in work */
    bool linger; /* the client may still be sending what nobody will read */
};

_Static_assert(sizeof(struct connection) <= 128,
               "ten thousand idle connections are to cost little");

struct connection_list {
    struct connection *first, *last;
};

void connection_list_append(struct connection_list *list, struct connection *connection);
void connection_list_remove(struct connection_list *list, struct connection *connection);

/* Returns NULL with errno ENOMEM. */
struct connection *connection_new(int socket);

/* Frees all but the socket. NULL is allowed. */
void connection_free(struct connection *connection);

/* Keeps LENGTH bytes, less than REQUEST_HEAD_MAX, as the input; 0 bytes free its buffer. Returns 0,
 * or -1 with errno ENOMEM. */
int connection_keep_input(struct connection *connection, const char *data, size_t length);

/* Keeps what is left of an answer. Returns 0, or -1 with errno ENOMEM. */
int connection_keep_output(struct connection *connection, const char *data, size_t length);

void connection_drop_output(struct connection *connection);
void connection_end_stream(struct connection *connection);

#endif
