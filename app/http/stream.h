/* Produces the body of a long response in pieces, or sends it. The struct of an implementation
 * begins with a struct stream. */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream {
    /* Writes the current piece, up to SIZE bytes, and returns its length. Sets *RET_LAST if it is
     * the last piece. Writes the same piece again until advance() is called. Does a bounded amount
     * of work. Returns -1 with errno on failure; EAGAIN: no piece yet, call again in the next
     * iteration; any other errno: the response cannot be completed. */
    ssize_t (*next)(struct stream *stream, char *data, size_t size, bool *ret_last);
    /* Moves on to the next piece. */
    void (*advance)(struct stream *stream);
    /* Or NULL; else it is called in place of these two, and the head announces the body's length.
     * Sends up to SIZE bytes of the body. Returns the number of bytes, 0 if the send buffer is
     * full, or -1 with errno: the response cannot be completed. */
    ssize_t (*send)(struct stream *stream, int socket, size_t size, bool *ret_last);
    void (*end)(struct stream *stream); /* frees the stream */
};

#endif
