/* The only file that uses civetweb. It includes civetweb.c, so that it can call static functions of
 * it. The release is pinned by its hash (third_party/civetweb), so these functions do not change.
 * They are called with these assumptions:
 *
 * - set_ports_option(context) reads only config[LISTENING_PORTS] and config[LISTEN_BACKLOG_SIZE].
 *   For each address it creates a socket, binds it, listens, and adds it to listening_sockets. On
 *   any failure it closes all of them, returns 0, and leaves errno as the failure set it.
 * - parse_http_request(head, length, info) writes NULs into the head and makes INFO point into it.
 *   It needs nothing else. It refuses methods that it does not know.
 *
 * civetweb's threads, contexts and responses are not used; the linker removes them. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes the place of sscanf(3) in civetweb, for the three conversions with which
 * parse_port_string() reads an address: %u, %n and a set as in %49[^]]. That of musl has a parser
 * of floating point in it, 11 KB and more than a twentieth of the program. */
static int scan_address(const char *text, const char *format, ...)
{
    const char *start = text;
    int converted = 0;
    va_list arguments;
    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            if (*text++ != *format)
                break;
        } else if (*++format == 'n') {
            *va_arg(arguments, int *) = (int)(text - start);
        } else if (*format == 'u') {
            char *end;
            if (*text < '0' || *text > '9')
                break;
            *va_arg(arguments, unsigned *) = (unsigned)strtoul(text, &end, 10);
            text = end;
            converted++;
        } else {
            char *name = va_arg(arguments, char *);
            size_t most = strtoul(format, NULL, 10), length = strcspn(text, "]");
            if (length == 0 || length > most)
                break;
            memcpy(name, text, length);
            name[length] = '\0';
            text += length;
            format = strstr(format, "[^]]") + 3;
            converted++;
        }
    }
    va_end(arguments);
    return converted;
}

#define sscanf scan_address
#include <civetweb.c>
#undef sscanf

#undef snprintf
#undef vsnprintf
#undef strncpy
#undef strcat
#undef malloc
#undef calloc
#undef realloc
#undef free

#include "http/civetweb_glue.h"

_Static_assert(MG_MAX_HEADERS == HEAD_FIELDS_MAX, "one field for each that civetweb reads");

unsigned civetweb_listen(const char *address, unsigned backlog, int *sockets, unsigned sockets_max)
{
    char address_text[80], backlog_text[16];
    struct mg_context *context = calloc(1, sizeof *context);
    unsigned count = 0;
    if (!context)
        return 0;
    (void)snprintf(address_text, sizeof address_text, "%s", address);
    (void)snprintf(backlog_text, sizeof backlog_text, "%u", backlog);
    context->dd.config[LISTENING_PORTS] = address_text;
    context->dd.config[LISTEN_BACKLOG_SIZE] = backlog_text;
    errno = 0;
    if (set_ports_option(context) > 0)
        count = context->num_listening_sockets;
    int saved_errno = errno;
    for (unsigned i = 0; i < count; i++) {
        if (count <= sockets_max)
            sockets[i] = context->listening_sockets[i].sock;
        else
            (void)close(context->listening_sockets[i].sock);
    }
    free(context->listening_sockets);
    free(context->listening_socket_fds);
    free(context);
    errno = count > sockets_max ? E2BIG : saved_errno;
    return count <= sockets_max ? count : 0;
}

int civetweb_split_head(char *head, size_t length, struct request_head *ret_head)
{
    struct mg_request_info info;
    memset(&info, 0, sizeof info);
    if (parse_http_request(head, (int)length, &info) != (int)length)
        return 400;
    ret_head->method = info.request_method;
    ret_head->target = info.request_uri;
    ret_head->version = info.http_version;
    ret_head->fields_count = (unsigned)info.num_headers;
    for (int i = 0; i < info.num_headers; i++)
        ret_head->fields[i] =
            (struct header_field){info.http_headers[i].name, info.http_headers[i].value};
    return 0;
}
