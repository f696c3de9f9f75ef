/* civetweb is one unit with this file, so that its static functions can be called. Its release is
 * pinned by hash (third_party/civetweb), so they stand still. What is called, and what is assumed
 * of it:
 *
 * - set_ports_option(context): reads config[LISTENING_PORTS] and config[LISTEN_BACKLOG_SIZE] alone;
 * for each address makes a socket, binds it, listens, and notes it in listening_sockets with the
 * port that was bound; on any failure closes all of them, returns 0, and leaves errno as the
 * failure set it.
 * - parse_http_request(head, length, info): writes NULs into the head and points INFO into it;
 * needs nothing else. Refuses methods that it does not know.
 * - close_all_listening_sockets(context): closes and frees what set_ports_option() made.
 *
 * Nothing of civetweb's threads, contexts and answers is used, and the linker leaves it out. */

#include <civetweb.c>

#undef snprintf
#undef vsnprintf
#undef strncpy
#undef strcat
#undef malloc
#undef calloc
#undef realloc
#undef free

#include "listeners.h"

#include <stdbool.h>

struct listeners {
    struct mg_context context;
};

_Static_assert(MG_MAX_HEADERS == 64, "REQUEST_FIELDS_MAX is one less than civetweb reads");

static int open_port(struct mg_context *context, char *address)
{
    static char backlog[] = "1024";
    _Static_assert(LISTENERS_BACKLOG == 1024, "as the text says");
    context->dd.config[LISTENING_PORTS] = address;
    context->dd.config[LISTEN_BACKLOG_SIZE] = backlog;
    errno = 0;
    return set_ports_option(context) > 0 ? 0 : -1;
}

/* Accepted sockets inherit all of it: no client waits for an acknowledgement of the packet before
 * (Nagle's algorithm), no loop waits for a client, and the kernel keeps little of a long answer for
 * a client that does not read it, where by itself it would let the buffer grow to megabytes. */
static void prepare_sockets(const struct listeners *listeners)
{
    int on = 1, unsent_max = 64 * 1024;
    for (unsigned i = 0; i < listeners_count(listeners); i++) {
        int socket = listeners_socket(listeners, i);
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
    /* "+PORT" is civetweb's way to say IPv6 and IPv4; where there is no IPv6 it is IPv4 alone. */
    bool any_address = strchr(address, ':') == NULL;
    (void)snprintf(plain, sizeof plain, "%s%s", any_address ? "0.0.0.0:" : "", address);
    (void)snprintf(both, sizeof both, "+%s", address);
    int result = open_port(&listeners->context, any_address ? both : plain);
    if (result != 0 && any_address && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        result = open_port(&listeners->context, plain);
    if (result != 0) {
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
    return listeners->context.num_listening_sockets;
}

int listeners_socket(const struct listeners *listeners, unsigned index)
{
    return listeners->context.listening_sockets[index].sock;
}

void listeners_describe(const struct listeners *listeners, char *text, size_t size)
{
    const union usa *bound = &listeners->context.listening_sockets[0].lsa;
    char host[INET6_ADDRSTRLEN] = "127.0.0.1";
    if (bound->sa.sa_family == AF_INET6) {
        if (!IN6_IS_ADDR_UNSPECIFIED(&bound->sin6.sin6_addr))
            (void)inet_ntop(AF_INET6, &bound->sin6.sin6_addr, host, sizeof host);
        bool brackets = strchr(host, ':') != NULL;
        (void)snprintf(text, size, "%s%s%s:%u", brackets ? "[" : "", host, brackets ? "]" : "",
                       ntohs(bound->sin6.sin6_port));
    } else {
        if (bound->sin.sin_addr.s_addr != htonl(INADDR_ANY))
            (void)inet_ntop(AF_INET, &bound->sin.sin_addr, host, sizeof host);
        (void)snprintf(text, size, "%s:%u", host, ntohs(bound->sin.sin_port));
    }
}

void listeners_shut(struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners_count(listeners); i++)
        (void)shutdown(listeners_socket(listeners, i), SHUT_RD);
}

void listeners_close(struct listeners *listeners)
{
    close_all_listening_sockets(&listeners->context);
    free(listeners);
}

int listeners_parse(char *head, size_t length, struct mg_request_info *ret_info)
{
    memset(ret_info, 0, sizeof *ret_info);
    return parse_http_request(head, (int)length, ret_info) == (int)length ? 0 : 400;
}
