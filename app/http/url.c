#include "http/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const char bad_host[] = "its host is neither a name nor an address; give one, as in "
                               "http://127.0.0.1:8080/";
static const char bad_ipv6[] =
    "an IPv6 address, and only that, goes in brackets; give it as in http://[::1]:8080/";

/* Parses up to five digits; without digits the port is 80 (RFC 3986 §6.2.3). */
static const char *parse_port(const char *text, size_t length, struct url *url)
{
    uint64_t number;
    if (length > 5 || (length > 0 && parse_number(text, length, 0, 65535, &number) != 0))
        return "its port is not a number from 0 to 65535; give one, or leave out the colon for 80";
    (void)snprintf(url->port, sizeof url->port, "%.*s", length ? (int)length : 2,
                   length ? text : "80");
    return NULL;
}

/* Parses host [":" port]. User information before an "@" is refused, since it would not be sent. */
static const char *parse_authority(const char *text, size_t length, struct url *url)
{
    struct in6_addr address;
    const char *end = text + length, *host_end, *port;
    size_t host_length;
    if (memchr(text, '@', length))
        return "a user name or password in a URL is not sent; leave out what is before the @";
    if (*text == '[') {
        host_end = memchr(text, ']', length);
        if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
            return bad_ipv6;
        text++;
        port = host_end + 1;
    } else {
        host_end = memchr(text, ':', length);
        if (!host_end)
            host_end = end;
        port = host_end;
        if (port < end && memchr(port + 1, ':', (size_t)(end - port - 1)))
            return bad_ipv6;
    }
    host_length = (size_t)(host_end - text);
    if (host_length == 0 || host_length > URL_HOST_MAX)
        return bad_host;
    memcpy(url->host, text, host_length);
    url->host[host_length] = '\0';
    if (*host_end == ']' ? inet_pton(AF_INET6, url->host, &address) != 1
                         : strspn(url->host, ALPHANUMERIC ".-_") < host_length)
        return *host_end == ']' ? bad_ipv6 : bad_host;
    port += port < end;
    return parse_port(port, (size_t)(end - port), url);
}

const char *url_parse(const char *text, struct url *ret_url)
{
    struct url url = {0};
    if (strncasecmp(text, "https://", 8) == 0)
        return "there is no TLS here; give the http:// URL of a port without it";
    if (strncasecmp(text, "http://", 7) != 0 || strcspn(text + 7, "/?#") == 0)
        return "this is not a URL of the form http://HOST[:PORT][/PATH]";
    text += 7;
    size_t length = strcspn(text, "/?#");
    const char *complaint = parse_authority(text, length, &url);
    if (complaint)
        return complaint;
    /* The fragment is never sent (RFC 9110 §4.2.5). */
    url.target = text + length;
    length = strcspn(url.target, "#");
    if (strspn(url.target, ALPHANUMERIC "-._~!$&'()*+,;=:@/?%") < length)
        return "its path has a character that no URL has, such as a space; percent-encode it";
    if (length > URL_TARGET_MAX)
        return "its path has more than 2000 bytes; give a shorter one";
    url.target_length = (int)length;
    *ret_url = url;
    return NULL;
}

void url_put_host(struct text *text, const struct url *url)
{
    bool is_ipv6 = strchr(url->host, ':') != NULL;
    text_printf(text, "%s%s%s:%s", is_ipv6 ? "[" : "", url->host, is_ipv6 ? "]" : "", url->port);
}
