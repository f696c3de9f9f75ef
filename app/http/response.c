#include "http/response.h"

#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { HEAD_MAX = RESPONSE_MAX - RESPONSE_BODY_MAX };

/* The status line and the fields of every response have less than 384 bytes. */
_Static_assert(HEAD_MAX >= 2 * RESPONSE_FIELDS_MAX + 384, "a head fits in front of its body");

void response_defaults_init(struct response_defaults *defaults, const char *fields)
{
    assert(strlen(fields) <= RESPONSE_FIELDS_MAX);
    *defaults = (struct response_defaults){.fields = fields, .date_second = -1};
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

/* Not strftime(3): its names depend on the locale, and it is an order of magnitude slower. */
static const char *date(struct response_defaults *defaults)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm utc;
    if (now != defaults->date_second && gmtime_r(&now, &utc)) {
        defaults->date_second = now;
        (void)snprintf(defaults->date, sizeof defaults->date,
                       "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * utc.tm_wday,
                       utc.tm_mday, months + 3 * utc.tm_mon, utc.tm_year + 1900, utc.tm_hour,
                       utc.tm_min, utc.tm_sec);
    }
    return defaults->date;
}

char *response_body(const struct response *response)
{
    return response->data + HEAD_MAX;
}

/* "close" is always sent; "keep-alive" only for HTTP/1.0, where it is not the default. */
static const char *connection_field(const struct response *response)
{
    if (!response->keep_alive)
        return "Connection: close\r\n";
    return response->http_1_0 ? "Connection: keep-alive\r\n" : "";
}

/* Writes the head without the fields of the body's framing. */
static void put_head(struct text *head, struct response_defaults *defaults,
                     const struct response *response, int status, const char *type,
                     const char *fields)
{
    text_string(head, "HTTP/1.1 ");
    text_number(head, (uint64_t)status);
    text_string(head, " ");
    text_string(head, reason(status));
    text_string(head, "\r\nDate: ");
    text_string(head, date(defaults));
    text_string(head, "\r\nContent-Type: ");
    text_string(head, type);
    text_string(head, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    text_string(head, defaults->fields);
    text_string(head, connection_field(response));
    text_string(head, fields);
}

void response_finish(struct response_defaults *defaults, struct response *response, int status,
                     const char *type, const char *fields, size_t body_length)
{
    char buffer[HEAD_MAX];
    struct text head = text_begin(buffer, sizeof buffer);
    assert(body_length <= RESPONSE_BODY_MAX);
    put_head(&head, defaults, response, status, type, fields);
    text_string(&head, "Content-Length: ");
    text_number(&head, body_length);
    text_string(&head, "\r\n\r\n");
    assert(!head.overflowed);
    response->data += HEAD_MAX - head.length;
    memcpy(response->data, buffer, head.length);
    response->length = head.length + (response->head_only ? 0 : body_length);
}

void response_head(struct response_defaults *defaults, struct response *response, const char *type,
                   const char *fields)
{
    struct text head = text_begin(response->data, HEAD_MAX);
    put_head(&head, defaults, response, 200, type, fields);
    text_string(&head, "\r\n");
    assert(!head.overflowed);
    response->length = head.length;
}

void response_stream(struct response_defaults *defaults, struct response *response,
                     const char *type, const char *fields, uint64_t length)
{
    char all_fields[RESPONSE_FIELDS_MAX + 48];
    struct text framing = text_begin(all_fields, sizeof all_fields);
    text_string(&framing, fields);
    if (length != UINT64_MAX) {
        text_string(&framing, "Content-Length: ");
        text_number(&framing, length);
        text_string(&framing, "\r\n");
    } else if (response->http_1_0) {
        response->keep_alive = false;
    } else {
        text_string(&framing, "Transfer-Encoding: chunked\r\n");
    }
    response_head(defaults, response, type, all_fields);
}
