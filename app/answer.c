#include "answer.h"

#include <stdio.h>
#include <string.h>

enum { HEAD_MAX = REPLY_MAX - ANSWER_BODY_MAX };

void answers_init(struct answers *answers, const char *pod)
{
    *answers = (struct answers){.pod = pod, .date_second = -1};
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

/* "close" is always said; that it stays open goes without saying except to HTTP/1.0. */
static const char *connection_field(const struct reply *reply)
{
    if (!reply->keep_alive)
        return "Connection: close\r\n";
    return reply->http_1_0 ? "Connection: keep-alive\r\n" : "";
}

static size_t put(char *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at, text, length);
    return length;
}

static size_t put_number(char *at, size_t number)
{
    char digits[24];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(at, digits + i, sizeof digits - i);
    return sizeof digits - i;
}

/* All but the fields that say how the body is framed. */
static size_t put_head(struct answers *answers, const struct reply *reply, int status,
                       const char *type, const char *extra, char *head)
{
    size_t length = put(head, "HTTP/1.1 ");
    length += put_number(head + length, (size_t)status);
    head[length++] = ' ';
    length += put(head + length, reason(status));
    length += put(head + length, "\r\nDate: ");
    length += put(head + length, date(answers));
    length += put(head + length, "\r\nContent-Type: ");
    length += put(head + length, type);
    length += put(head + length,
                  "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Pod: ");
    length += put(head + length, answers->pod);
    length += put(head + length, "\r\n");
    length += put(head + length, connection_field(reply));
    length += put(head + length, extra);
    return length;
}

void answer_finish(struct answers *answers, struct reply *reply, int status, const char *type,
                   const char *extra, size_t body_length)
{
    char head[HEAD_MAX];
    size_t length = put_head(answers, reply, status, type, extra, head);
    length += put(head + length, "Content-Length: ");
    length += put_number(head + length, body_length);
    length += put(head + length, "\r\n\r\n");
    reply->data += HEAD_MAX - length;
    memcpy(reply->data, head, length);
    reply->length = length + (reply->head_only ? 0 : body_length);
}

void answer_text(struct answers *answers, struct reply *reply, int status, const char *extra,
                 const char *text)
{
    size_t length = put(answer_body(reply), text);
    answer_finish(answers, reply, status, "text/plain; charset=utf-8", extra, length);
}

void answer_head(struct answers *answers, struct reply *reply, const char *type, const char *extra)
{
    size_t length = put_head(answers, reply, 200, type, extra, reply->data);
    length += put(reply->data + length, "\r\n");
    reply->length = length;
}

void answer_stream(struct answers *answers, struct reply *reply, const char *type)
{
    if (reply->http_1_0)
        reply->keep_alive = false;
    size_t length = put_head(answers, reply, 200, type, "", reply->data);
    length +=
        put(reply->data + length, reply->http_1_0 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
    reply->length = length;
}
