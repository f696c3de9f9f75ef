#include "http/listeners.h"

#include "http/civetweb_glue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS_MAX = 8 };

struct listeners {
    unsigned count;
    int sockets[SOCKETS_MAX];
};

static bool open_address(struct listeners *listeners, const char *address)
{
    listeners->count = civetweb_listen(address, LISTENERS_BACKLOG, listeners->sockets, SOCKETS_MAX);
    return listeners->count > 0;
}

/* TCP_NODELAY: a packet does not wait for the acknowledgement of the one before (Nagle's
 * algorithm). TCP_NOTSENT_LOWAT: the kernel keeps few unsent bytes for a client that does not read
 * its response; by default the send buffer grows to megabytes. Accepted sockets inherit both.
 * O_NONBLOCK: a loop does not wait in accept4(2). */
static void prepare_sockets(const struct listeners *listeners)
{
    int on = 1, unsent_max = 64 * 1024;
    for (unsigned i = 0; i < listeners->count; i++) {
        int socket = listeners->sockets[i];
        (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max);
        (void)fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
    }
}

struct listeners *listeners_open(const char *address, char *message, size_t size)
{
    char both[80], plain[80];
    struct listeners *listeners = calloc(1, sizeof *listeners);
    if (!listeners) {
        (void)snprintf(message, size, "out of memory");
        return NULL;
    }
    /* Without IPv6, use IPv4 alone. */
    bool any_address = strchr(address, ':') == NULL;
    (void)snprintf(plain, sizeof plain, "%s%s", any_address ? "0.0.0.0:" : "", address);
    (void)snprintf(both, sizeof both, "+%s", address);
    bool opened = open_address(listeners, any_address ? both : plain);
    if (!opened && any_address && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        opened = open_address(listeners, plain);
    if (!opened) {
        const char *reason = errno ? strerror(errno) : "not an address of this machine";
        (void)snprintf(message, size, "%s", reason);
        free(listeners);
        return NULL;
    }
    prepare_sockets(listeners);
    return listeners;
}

unsigned listeners_count(const struct listeners *listeners)
{
    return listeners->count;
}

int listeners_socket(const struct listeners *listeners, unsigned index)
{
    return listeners->sockets[index];
}

void listeners_describe(const struct listeners *listeners, char *text, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } bound = {0};
    socklen_t length = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "127.0.0.1";
    (void)getsockname(listeners->sockets[0], &bound.any, &length);
    if (bound.any.sa_family == AF_INET6) {
        if (!IN6_IS_ADDR_UNSPECIFIED(&bound.ipv6.sin6_addr))
            (void)inet_ntop(AF_INET6, &bound.ipv6.sin6_addr, host, sizeof host);
        bool brackets = strchr(host, ':') != NULL;
        (void)snprintf(text, size, "%s%s%s:%u", brackets ? "[" : "", host, brackets ? "]" : "",
                       ntohs(bound.ipv6.sin6_port));
    } else {
        if (bound.ipv4.sin_addr.s_addr != htonl(INADDR_ANY))
            (void)inet_ntop(AF_INET, &bound.ipv4.sin_addr, host, sizeof host);
        (void)snprintf(text, size, "%s:%u", host, ntohs(bound.ipv4.sin_port));
    }
}

void listeners_shut(struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        (void)shutdown(listeners->sockets[i], SHUT_RD);
}

void listeners_close(struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        (void)close(listeners->sockets[i]);
    free(listeners);
}
