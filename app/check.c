#include "check.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct url {
    char host[256], port[8];
    const char *path;
};

static int64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int split_url(const char *text, struct url *ret_url)
{
    static const char scheme[] = "http://";
    if (strncmp(text, scheme, sizeof scheme - 1) != 0)
        return -1;
    text += sizeof scheme - 1;
    size_t authority = strcspn(text, "/?#");
    const char *path = text + authority;
    const char *host = text;
    size_t host_length = authority, port_length = 0;
    const char *colon = NULL;
    for (size_t i = 0; i < authority; i++)
        if (text[i] == ':')
            colon = text + i;
    if (colon && !memchr(colon, ']', authority - (size_t)(colon - text))) {
        host_length = (size_t)(colon - text);
        port_length = authority - host_length - 1;
        if (port_length == 0 || port_length > 5 || strspn(colon + 1, "0123456789") < port_length)
            return -1;
    }
    if (host_length > 2 && host[0] == '[' && host[host_length - 1] == ']') {
        host++;
        host_length -= 2;
    }
    if (host_length == 0 || host_length >= sizeof ret_url->host || strpbrk(path, " \r\n\t"))
        return -1;
    (void)snprintf(ret_url->host, sizeof ret_url->host, "%.*s", (int)host_length, host);
    (void)snprintf(ret_url->port, sizeof ret_url->port, "%.*s", port_length ? (int)port_length : 2,
                   port_length ? colon + 1 : "80");
    ret_url->path = *path == '/' ? path : "/";
    return 0;
}

/* Waits for EVENTS until DEADLINE_MS. Returns 0, or -1 with errno ETIMEDOUT or another. */
static int wait_for(int socket, short events, int64_t deadline_ms)
{
    struct pollfd pollfd = {.fd = socket, .events = events};
    int64_t left_ms = deadline_ms - clock_ms();
    int ready = poll(&pollfd, 1, left_ms > 0 ? (int)left_ms : 0);
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 ? 0 : -1;
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
    int saved_errno = errno;
    (void)close(connection);
    errno = saved_errno;
    return -1;
}

/* Sends the request and reads until the server closes or the buffer is full. */
static int exchange(int connection, const struct url *url, int64_t deadline_ms, char *reply,
                    size_t size)
{
    char request[2048];
    size_t length = 0;
    bool brackets = strchr(url->host, ':') != NULL;
    int request_length = snprintf(
        request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nConnection: close\r\n\r\n",
        url->path, brackets ? "[" : "", url->host, brackets ? "]" : "", url->port);
    if (request_length >= (int)sizeof request) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (send(connection, request, (size_t)request_length, MSG_NOSIGNAL) != request_length)
        return -1;
    while (length < size - 1) {
        if (wait_for(connection, POLLIN, deadline_ms) != 0)
            return -1;
        ssize_t got = recv(connection, reply + length, size - 1 - length, 0);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    reply[length] = '\0';
    return 0;
}

int check_url(const char *url, char *ret_text, size_t size)
{
    char reply[4096];
    struct url parts;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    int64_t deadline_ms = clock_ms() + CHECK_TIMEOUT_MS;
    if (split_url(url, &parts) != 0) {
        (void)snprintf(ret_text, size, "this is not a URL of the form http://HOST[:PORT][/PATH]");
        return -1;
    }
    int error = getaddrinfo(parts.host, parts.port, &hints, &addresses);
    if (error) {
        (void)snprintf(ret_text, size, "%s", gai_strerror(error));
        return -1;
    }
    int connection = -1;
    for (const struct addrinfo *a = addresses; a && connection < 0; a = a->ai_next)
        connection = connect_to(a, deadline_ms);
    int result =
        connection < 0 ? -1 : exchange(connection, &parts, deadline_ms, reply, sizeof reply);
    if (result != 0)
        (void)snprintf(ret_text, size, "%s", strerror(errno));
    if (connection >= 0)
        (void)close(connection);
    freeaddrinfo(addresses);
    if (result != 0)
        return -1;
    if (strncmp(reply, "HTTP/1.", 7) != 0 || strlen(reply) < 12) {
        (void)snprintf(ret_text, size, "the answer is not HTTP");
        return -1;
    }
    const char *body = strstr(reply, "\r\n\r\n");
    body = body ? body + 4 : "";
    (void)snprintf(ret_text, size, "%.*s", (int)strcspn(body, "\r\n"), body);
    return atoi(reply + 9);
}
