#include "answer.h"

#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { HEAD_MAX = REPLY_MAX - ANSWER_BODY_MAX };

/* The status line and the fields that every response has take less than this. */
_Static_assert(HEAD_MAX >= 2 * ANSWER_FIELDS_MAX + 384, "a head fits in front of its body");

void answers_init(struct answers *answers, const char *fields)
{
    assert(strlen(fields) <= ANSWER_FIELDS_MAX);
    *answers = (struct answers){.fields = fields, .date_second = -1};
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

/* Not strftime(3): its names follow the locale, and this is an order of magnitude faster. */
static const char *date(struct answers *answers)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm utc;
    if (now != answers->date_second && gmtime_r(&now, &utc)) {
        answers->date_second = now;
        (void)snprintf(answers->date, sizeof answers->date,
                       "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * utc.tm_wday,
                       utc.tm_mday, months + 3 * utc.tm_mon, utc.tm_year + 1900, utc.tm_hour,
                       utc.tm_min, utc.tm_sec);
    }
    return answers->date;
}

char *answer_body(const struct reply *reply)
{
    return reply->data + HEAD_MAX;
}

/* "close" is always said; "keep-alive" only to HTTP/1.0, where it is not the default. */
static const char *connection_field(const struct reply *reply)
{
    if (!reply->keep_alive)
        return "Connection: close\r\n";
    return reply->http_1_0 ? "Connection: keep-alive\r\n" : "";
}

/* All but the fields that say how the body is framed. */
static void put_head(struct text *head, struct answers *answers, const struct reply *reply,
                     int status, const char *type, const char *fields)
{
    text_string(head, "HTTP/1.1 ");
    text_number(head, (uint64_t)status);
    text_string(head, " ");
    text_string(head, reason(status));
    text_string(head, "\r\nDate: ");
    text_string(head, date(answers));
    text_string(head, "\r\nContent-Type: ");
    text_string(head, type);
    text_string(head, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    text_string(head, answers->fields);
    text_string(head, connection_field(reply));
    text_string(head, fields);
}

void answer_finish(struct answers *answers, struct reply *reply, int status, const char *type,
                   const char *fields, size_t body_length)
{
    char buffer[HEAD_MAX];
    struct text head = text_begin(buffer, sizeof buffer);
    assert(body_length <= ANSWER_BODY_MAX);
    put_head(&head, answers, reply, status, type, fields);
    text_string(&head, "Content-Length: ");
    text_number(&head, body_length);
    text_string(&head, "\r\n\r\n");
    assert(!head.overflowed);
    reply->data += HEAD_MAX - head.length;
    memcpy(reply->data, buffer, head.length);
    reply->length = head.length + (reply->head_only ? 0 : body_length);
}

void answer_head(struct answers *answers, struct reply *reply, const char *type, const char *fields)
{
    struct text head = text_begin(reply->data, HEAD_MAX);
    put_head(&head, answers, reply, 200, type, fields);
    text_string(&head, "\r\n");
    assert(!head.overflowed);
    reply->length = head.length;
}

void answer_stream(struct answers *answers, struct reply *reply, const char *type)
{
    if (reply->http_1_0)
        reply->keep_alive = false;
    answer_head(answers, reply, type, reply->http_1_0 ? "" : "Transfer-Encoding: chunked\r\n");
}
