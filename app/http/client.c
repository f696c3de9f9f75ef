#include "http/client.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Waits for EVENTS on FD until DEADLINE_MS of clock_ms(). Returns 0, or -1 with errno; ETIMEDOUT:
 * the deadline has passed. Then it fails even if FD is ready, so that a server that never stops
 * sending cannot extend the deadline. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd pollfd = {.fd = fd, .events = events};
        int64_t left_ms = deadline_ms - clock_ms();
        int ready = left_ms > 0 ? poll(&pollfd, 1, (int)left_ms) : 0;
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -1;
        if (left_ms <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

/* getaddrinfo(3) takes as long as resolv.conf(5) allows, and cannot be interrupted. So it runs in a
 * thread, which writes a byte to a pipe when the result is ready. */
struct resolve {
    struct url url;
    int pipe[2];
    int error, system_error; /* of getaddrinfo(3), and its errno */
    struct addrinfo *addresses;
};

static void *resolve_in_thread(void *argument)
{
    struct resolve *shared = argument;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    shared->error = getaddrinfo(shared->url.host, shared->url.port, &hints, &shared->addresses);
    shared->system_error = errno;
    (void)!write(shared->pipe[1], "", 1);
    return NULL;
}

static void free_resolution(struct resolve *shared)
{
    (void)close(shared->pipe[0]);
    (void)close(shared->pipe[1]);
    free(shared);
}

/* Returns 0, an error of getaddrinfo(3), or EAI_SYSTEM with errno. After ETIMEDOUT the thread goes
 * on and still uses `shared`, which is therefore not freed. */
static int resolve(const struct url *url, int64_t deadline_ms, struct addrinfo **ret_addresses)
{
    pthread_t thread;
    char byte;
    struct resolve *shared = calloc(1, sizeof *shared);
    if (!shared || pipe2(shared->pipe, O_CLOEXEC) != 0) {
        free(shared);
        return EAI_SYSTEM;
    }
    shared->url = *url;
    int system_error = pthread_create(&thread, NULL, resolve_in_thread, shared);
    if (system_error) {
        free_resolution(shared);
        errno = system_error;
        return EAI_SYSTEM;
    }
    if (wait_for(shared->pipe[0], POLLIN, deadline_ms) != 0)
        return EAI_SYSTEM;
    (void)!read(shared->pipe[0], &byte, 1);
    (void)pthread_join(thread, NULL);
    int error = shared->error;
    system_error = shared->system_error;
    if (error == 0)
        *ret_addresses = shared->addresses;
    free_resolution(shared);
    errno = system_error;
    return error;
}

static int connect_to(const struct addrinfo *address, int64_t deadline_ms)
{
    int error = 0;
    socklen_t length = sizeof error;
    int connection = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return -1;
    if (connect(connection, address->ai_addr, address->ai_addrlen) == 0)
        return connection;
    if (errno == EINPROGRESS && wait_for(connection, POLLOUT, deadline_ms) == 0 &&
        getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &length) == 0) {
        if (error == 0)
            return connection;
        errno = error;
    }
    close_keeping_errno(connection);
    return -1;
}

/* Tries the addresses in order. One that does not respond must leave time for the next. */
static int connect_any(const struct addrinfo *addresses, int64_t deadline_ms)
{
    int count = 0, connection = -1;
    for (const struct addrinfo *a = addresses; a; a = a->ai_next)
        count++;
    for (const struct addrinfo *a = addresses; a && connection < 0; a = a->ai_next) {
        int64_t now_ms = clock_ms();
        connection = connect_to(a, now_ms + (deadline_ms - now_ms) / count--);
    }
    return connection;
}

static int send_request(int connection, const struct url *url, int64_t deadline_ms)
{
    char buffer[URL_TARGET_MAX + URL_HOST_MAX + 128];
    struct text request = text_begin(buffer, sizeof buffer);
    text_printf(&request, "GET %s%.*s HTTP/1.1\r\nHost: ", *url->target == '/' ? "" : "/",
                url->target_length, url->target);
    url_put_host(&request, url);
    text_string(&request, "\r\nConnection: close\r\n\r\n");
    assert(!request.overflowed);
    for (size_t sent = 0; sent < request.length;) {
        if (wait_for(connection, POLLOUT, deadline_ms) != 0)
            return -1;
        ssize_t more = send_some(connection, request.data + sent, request.length - sent);
        if (more < 0)
            return -1;
        sent += (size_t)more;
    }
    return 0;
}

/* Returns 0 with a complete or malformed response, or -1 with errno; ENODATA: the server has closed
 * the connection too early. */
static int receive(int connection, int64_t deadline_ms, struct client_response *response)
{
    char bytes[4096];
    while (response->state < CLIENT_RESPONSE_COMPLETE) {
        if (wait_for(connection, POLLIN, deadline_ms) != 0)
            return -1;
        ssize_t got = receive_some(connection, bytes, sizeof bytes);
        if (got < 0 && errno != EAGAIN)
            return -1;
        if (got == 0 && client_response_end(response) != 0) {
            errno = ENODATA;
            return -1;
        }
        if (got > 0)
            (void)client_response_feed(response, bytes, (size_t)got);
    }
    return 0;
}

static void explain_resolution(const char *host, int error, char *message, size_t size)
{
    const char *what = error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
    (void)snprintf(message, size, "cannot look up %s: %s; see the name, and /etc/resolv.conf", host,
                   what);
}

static void explain_response(const struct client_response *response, char *message, size_t size)
{
    int error = errno;
    char where[64] = "in its head";
    if (response->state > CLIENT_RESPONSE_FIELDS)
        (void)snprintf(where, sizeof where, "after %llu bytes of its body",
                       (unsigned long long)response->body_length);
    if (response->state == CLIENT_RESPONSE_MALFORMED)
        (void)snprintf(message, size, "the response %s; see whether an HTTP server listens there",
                       response->fault);
    else if (error == ETIMEDOUT)
        (void)snprintf(message, size,
                       "timed out after %d s: the response stopped %s; see the server's load and "
                       "log",
                       CLIENT_TIMEOUT_MS / 1000, where);
    else if (error == ENODATA || error == ECONNRESET || error == EPIPE)
        (void)snprintf(message, size, "the response ended early, %s; see the server's log", where);
    else
        (void)snprintf(message, size, "cannot talk to the server: %s", strerror(error));
}

int client_get(const struct url *url, struct client_response *ret_response, char *message,
               size_t message_size)
{
    struct addrinfo *addresses;
    int64_t deadline_ms = clock_ms() + CLIENT_TIMEOUT_MS;
    int error = resolve(url, deadline_ms, &addresses);
    if (error) {
        explain_resolution(url->host, error, message, message_size);
        return -1;
    }
    int connection = connect_any(addresses, deadline_ms);
    int saved_errno = errno;
    freeaddrinfo(addresses);
    if (connection < 0) {
        (void)snprintf(message, message_size,
                       "cannot connect: %s; see whether the server runs and listens there",
                       strerror(saved_errno));
        return -1;
    }
    struct client_response response = {0};
    int result = send_request(connection, url, deadline_ms);
    if (result == 0)
        result = receive(connection, deadline_ms, &response);
    if (response.state == CLIENT_RESPONSE_COMPLETE)
        *ret_response = response;
    else
        explain_response(&response, message, message_size);
    (void)close(connection);
    return response.state == CLIENT_RESPONSE_COMPLETE ? 0 : -1;
}

void client_describe(const struct client_response *response, char *buffer, size_t size)
{
    struct text text = text_begin(buffer, size);
    if (response->status / 100 == 3 && response->location[0]) {
        text_printf(&text, "redirects to %s, which is not followed; check that",
                    response->location);
    } else {
        size_t length = 0;
        while (length < response->body_kept && response->body[length] != '\r' &&
               response->body[length] != '\n')
            length++;
        text_bytes(&text, response->body, length);
    }
    for (size_t i = 0; i < text.length; i++)
        if (buffer[i] < ' ' || buffer[i] > '~')
            buffer[i] = buffer[i] == '\t' ? ' ' : '?';
}
