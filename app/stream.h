/* What a long response comes from, piece by piece: a struct of its maker's begins with this one. */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>
#include <sys/types.h>

struct stream {
    /* Writes the next piece, up to SIZE bytes, and returns its length; 0: the response is complete;
     * -1 with errno EAGAIN: nothing yet, ask again in the next iteration of the loop; -1 with
     * another errno: it cannot be completed. Does a bounded amount of work. The same piece is asked
     * for again, and begins behind what was sent, until sent() has been told of all of it. */
    ssize_t (*next)(struct stream *stream, char *data, size_t size);
    void (*sent)(struct stream *stream, size_t length);
    void (*end)(struct stream *stream); /* releases all of it */
};

#endif
