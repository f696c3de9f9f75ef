#include "http/connection.h"

#include "http/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void connection_list_append(struct connection_list *list, struct connection *connection)
{
    connection->previous = list->last;
    connection->next = NULL;
    if (list->last)
        list->last->next = connection;
    else
        list->first = connection;
    list->last = connection;
}

void connection_list_remove(struct connection_list *list, struct connection *connection)
{
    assert(connection->previous ? connection->previous->next == connection
                                : list->first == connection);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        list->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    else
        list->last = connection->previous;
}

struct connection *connection_new(int socket)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection)
        connection->socket = socket;
    return connection;
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    free(connection->input);
    connection_drop_output(connection);
    connection_end_stream(connection);
    free(connection);
}

/* Most heads fit into one step, and a slow client uses memory only for the bytes that it has sent.
 */
static size_t input_capacity(size_t length)
{
    enum { STEP = 512 };
    return (length + STEP - 1) / STEP * STEP;
}

int connection_keep_input(struct connection *connection, const char *data, size_t length)
{
    assert(length < REQUEST_HEAD_MAX || length == 0);
    size_t had = input_capacity(connection->input_length), needed = input_capacity(length);
    connection->input_length = (uint32_t)length;
    if (length == 0) {
        free(connection->input);
        connection->input = NULL;
        return 0;
    }
    if (needed > had) {
        free(connection->input);
        connection->input = malloc(needed);
    }
    if (!connection->input)
        return -1;
    memcpy(connection->input, data, length);
    return 0;
}

int connection_keep_output(struct connection *connection, const char *data, size_t length)
{
    assert(!connection->output && length > 0);
    connection->output = malloc(length);
    if (!connection->output)
        return -1;
    memcpy(connection->output, data, length);
    connection->output_length = (uint32_t)length;
    connection->output_sent = 0;
    return 0;
}

void connection_reset_on_close(const struct connection *connection, bool resets)
{
    struct linger linger = {.l_onoff = resets, .l_linger = 0}; /* socket(7) */
    (void)setsockopt(connection->socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void connection_drop_output(struct connection *connection)
{
    free(connection->output);
    connection->output = NULL;
}

void connection_end_stream(struct connection *connection)
{
    if (connection->stream)
        connection->stream->end(connection->stream);
    connection->stream = NULL;
}
