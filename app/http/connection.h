/* One client's connection as an event loop keeps it: small, since most are idle, with buffers only
 * while they hold something. `input` may be kept in every state. `output` and `stream` are set only
 * in CONNECTION_WRITING and CONNECTION_SLOW, and until a closed connection is freed. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "http/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum connection_state {
    CONNECTION_IDLE,      /* no request has begun since it opened or since the last response */
    CONNECTION_READING,   /* a part of a request has come */
    CONNECTION_READY,     /* pipelined bytes may hold another request */
    CONNECTION_DEFERRED,  /* its request waits for the commit at the end of this iteration */
    CONNECTION_WRITING,   /* the client has not taken all of its response */
    CONNECTION_SLOW,      /* the same, and the socket has taken nothing for a while */
    CONNECTION_LINGERING, /* it has had its last response; the client has yet to close */
    CONNECTION_CLOSED,    /* to be freed at the end of this iteration */
    CONNECTION_STATES
};

struct connection {
    struct connection *previous, *next;
    char *input;           /* bytes not taken as a request yet, of REQUEST_HEAD_MAX, or NULL */
    char *output;          /* what the client has not taken of a response, or NULL */
    struct stream *stream; /* makes what follows `output`, or NULL */
    int64_t since_ms;      /* when it entered its state */
    uint32_t input_length, output_length, output_sent;
    uint32_t piece_length, piece_sent; /* of the stream's present piece, with its framing */
    uint32_t events;                   /* what epoll(7) is asked for */
    uint32_t unacknowledged; /* bytes sent, when last looked at in this state; 0: not yet */
    int socket;
    int tag;
    enum connection_state state;
    bool keep_alive, head_only, http_1_0; /* of the present request */
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

/* Keeps what is left of a response. Returns 0, or -1 with errno ENOMEM. */
int connection_keep_output(struct connection *connection, const char *data, size_t length);

void connection_drop_output(struct connection *connection);
void connection_end_stream(struct connection *connection);

#endif
