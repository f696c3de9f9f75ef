/* The connection of one client. It is small, since most connections are idle, and has buffers only
 * while they hold bytes. `input` may be set in every state. `output` and `stream` are set only in
 * CONNECTION_WRITING, CONNECTION_STREAMING and CONNECTION_SLOW, and in CONNECTION_CLOSED until it
 * is freed. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "http/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum connection_state {
    CONNECTION_IDLE,       /* no request has begun since it opened or since the last response */
    CONNECTION_READING,    /* a part of a request has arrived */
    CONNECTION_READY,      /* `input` may hold a pipelined request */
    CONNECTION_WRITING,    /* a part of the response is not sent yet */
    CONNECTION_SLOW,       /* the same, and the socket has accepted no bytes for a while */
    CONNECTION_STREAMING,  /* its stream goes on in its turn: the socket takes bytes */
    CONNECTION_LINGERING,  /* lingering close: waits for the client to close */
    CONNECTION_DEFERRED,   /* its request waits for a place in a batch */
    CONNECTION_COMMITTING, /* its request is in the batch */
    CONNECTION_CLOSED,     /* to be freed at the end of this iteration */
    CONNECTION_STATES
};

struct connection {
    struct connection *previous, *next;
    char *input;           /* received bytes that are not parsed yet, or NULL */
    char *output;          /* the unsent part of a response, or NULL */
    struct stream *stream; /* produces the bytes after `output`, or NULL */
    int64_t since_ms;      /* when it entered its state, by clock_ms() */
    int64_t tag;           /* of its deferred request */
    uint32_t input_length, output_length, output_sent;
    uint32_t piece_length, piece_sent; /* of the stream's current piece, with its framing */
    uint32_t came_us;                  /* when its input came: `polled_us` of connections.h */
    uint32_t unacknowledged;           /* bytes, at the last check in this state; 0: no check yet */
    uint32_t commit;                   /* number of the last commit of one of its requests */
    int socket;
    enum connection_state state;
    uint8_t events;                       /* the events that epoll(7) reports */
    bool keep_alive, head_only, http_1_0; /* of the current request */
    bool timed;                           /* the handler is told when its response has been sent */
    bool linger;  /* the client may still send bytes that will not be read */
    bool awaited; /* the next commit waits for its next request: see connections_await() */
    uint8_t late; /* how often in turn a commit has waited in vain; up to LATE_MAX */
};

_Static_assert(sizeof(struct connection) <= 104, "ten thousand idle connections must cost little");

struct connection_list {
    struct connection *first, *last;
};

void connection_list_append(struct connection_list *list, struct connection *connection);
void connection_list_remove(struct connection_list *list, struct connection *connection);

/* Returns NULL with errno ENOMEM. */
struct connection *connection_new(int socket);

/* Frees the connection and its buffers, but does not close the socket. NULL is allowed. */
void connection_free(struct connection *connection);

/* Replaces the input by a copy of LENGTH < REQUEST_HEAD_MAX bytes; LENGTH 0 frees its buffer.
 * Returns 0, or -1 with errno ENOMEM. */
int connection_keep_input(struct connection *connection, const char *data, size_t length);

/* Keeps a copy of the LENGTH > 0 unsent bytes of a response. Returns 0, or -1 with errno ENOMEM. */
int connection_keep_output(struct connection *connection, const char *data, size_t length);

/* Shall close(2) send a reset in place of an orderly end? So does the end of the process. */
void connection_reset_on_close(const struct connection *connection, bool resets);

void connection_drop_output(struct connection *connection);
void connection_end_stream(struct connection *connection);

#endif
