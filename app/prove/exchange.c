#include "prove/exchange.h"

#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct exchange *exchange_connect(const struct address *address)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->fd =
        socket(address->socket.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (exchange->fd >= 0) {
        (void)setsockopt(exchange->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (connect(exchange->fd, &address->socket.any, address->length) == 0 ||
            errno == EINPROGRESS)
            return exchange;
        close_keeping_errno(exchange->fd);
    }
    free(exchange);
    return NULL;
}

int exchange_connected(struct exchange *exchange)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0) {
        exchange->state = EXCHANGE_CONNECTED;
        return 0;
    }
    errno = error ? error : errno;
    return -1;
}

bool exchange_is_stale(const struct exchange *exchange)
{
    return is_ready(exchange->fd, POLLIN);
}

int exchange_send(struct exchange *exchange, const char *prefix, const char *path,
                  const char *fields)
{
    char buffer[URL_TARGET_MAX + URL_HOST_MAX + 256];
    struct text request = text_begin(buffer, sizeof buffer);
    text_printf(&request, "GET %s%s HTTP/1.1\r\nHost: ", prefix, path);
    url_put_host(&request, &exchange->target->url);
    text_printf(&request, "\r\n%s\r\n", fields);
    exchange->state = EXCHANGE_SENT;
    /* The send buffer of a connection without a request under way has room for it. */
    ssize_t sent = send_some(exchange->fd, request.data, request.length);
    if (sent == (ssize_t)request.length)
        return 0;
    errno = sent < 0 ? errno : EAGAIN;
    return -1;
}

int exchange_receive(struct exchange *exchange)
{
    enum { PIECES = 16 }; /* at a time: visits that are due must not wait for a large file */
    char bytes[65536];
    for (unsigned i = 0; i < PIECES; i++) {
        ssize_t got = receive_some(exchange->fd, bytes, sizeof bytes);
        if (got < 0)
            return errno == EAGAIN ? 0 : -1;
        if (!exchange->response && !(exchange->response = calloc(1, sizeof *exchange->response)))
            return -1;
        if (got == 0 && client_response_end(exchange->response) != 0) {
            errno = ENODATA;
            return -1;
        }
        (void)client_response_feed(exchange->response, bytes, (size_t)got);
        if (exchange->response->state >= CLIENT_RESPONSE_COMPLETE)
            return 1;
        if ((size_t)got < sizeof bytes)
            break;
    }
    return 0;
}

void exchange_reset(struct exchange *exchange)
{
    free(exchange->response);
    exchange->response = NULL;
}

void exchange_close(struct exchange *exchange)
{
    (void)close(exchange->fd);
    free(exchange->response);
    free(exchange);
}

int json_member(const char *body, size_t length, const char *name, char *buffer, size_t size)
{
    size_t name_length = strlen(name);
    const char *end = body + length;
    for (const char *at = body; (at = memchr(at, '"', (size_t)(end - at))); at++) {
        const char *value = at + 1 + name_length;
        if ((size_t)(end - at) < name_length + 5 || memcmp(at + 1, name, name_length) != 0 ||
            memcmp(value, "\": ", 3) != 0)
            continue;
        value += 3;
        bool is_string = *value == '"';
        value += is_string;
        size_t left = (size_t)(end - value), value_length = 0;
        while (value_length < left &&
               !memchr(is_string ? "\"\\" : ",} \r\n", value[value_length], is_string ? 2 : 5))
            value_length++;
        /* Escaped characters are in none of the members that are read. */
        if (value_length == left || value_length >= size || memchr(value, '\0', value_length) ||
            (is_string && value[value_length] != '"'))
            return -1;
        memcpy(buffer, value, value_length);
        buffer[value_length] = '\0';
        return 0;
    }
    return -1;
}
