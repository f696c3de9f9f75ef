/* Makes the body of a long response piece by piece. An implementation's struct begins with this
 * one. */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream {
    /* Writes the present piece, up to SIZE bytes, and returns its length; *RET_LAST: no other
     * follows. Returns -1 with errno EAGAIN if there is no piece yet: call again in the next
     * iteration of the loop; or -1 with another errno if the response cannot be completed. Does a
     * bounded amount of work. Until advance() is called it writes the same piece again. */
    ssize_t (*next)(struct stream *stream, char *data, size_t size, bool *ret_last);
    void (*advance)(struct stream *stream);
    void (*end)(struct stream *stream); /* releases all of it */
};

#endif
