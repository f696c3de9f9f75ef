#include "http/client_response.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"

enum outcome { COMPLETE, AT_CLOSE, EARLY, MALFORMED };

static const struct {
    const char *bytes; /* the response ends at the "|", if there is one */
    enum outcome outcome;
    int status;
    const char *text; /* the body, or a word of the fault */
} rows[] = {
    /* Content-Length */
    {OK_HEAD "Content-Length: 3\r\n\r\nabc", COMPLETE, 200, "abc"},
    {OK_HEAD "Content-Length: 3\r\n\r\nabc|def", COMPLETE, 200, "abc"},
    {OK_HEAD "content-LENGTH:3 \t\r\n\r\nabc", COMPLETE, 200, "abc"},
    {OK_HEAD "Content-Length: 003\r\n\r\nabc", COMPLETE, 200, "abc"},
    {OK_HEAD "Content-Length: 0\r\n\r\n|abc", COMPLETE, 200, ""},
    {OK_HEAD "Content-Length: 3, 3\r\n\r\nabc", COMPLETE, 200, "abc"},
    {OK_HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", COMPLETE, 200, "abc"},
    {OK_HEAD "Content-Length: 1000\r\n\r\nabc", EARLY, 200, ""},
    {OK_HEAD "Content-Length: 999999999999999999\r\n\r\nabc", EARLY, 200, ""},
    {OK_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: 3, 4\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: 3,\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: 3 4\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: \r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: -3\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: +3\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: 0x3\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: 18446744073709551619\r\n\r\nabc", MALFORMED, 0, "Content-Length"},
    {OK_HEAD "Content-Length: 3\r\n 4\r\n\r\nabc", MALFORMED, 0, "header field"},
    {OK_HEAD "Content-Lengths: 5\r\nContent: 7\r\nContent-Length: 3\r\n\r\nabc", COMPLETE, 200,
     "abc"},
    /* Until the server closes */
    {OK_HEAD "\r\n", AT_CLOSE, 200, ""},
    {OK_HEAD "\r\nabc", AT_CLOSE, 200, "abc"},
    {"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nabc\r\n\r\n", AT_CLOSE, 200,
     "abc\r\n\r\n"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", COMPLETE, 200, "abc"},
    /* Chunks */
    {CHUNKED "3\r\nabc\r\n0\r\n\r\n", COMPLETE, 200, "abc"},
    {CHUNKED "3\r\nabc\r\n0\r\n\r\n|def", COMPLETE, 200, "abc"},
    {CHUNKED "3\r\nabc\r\n0A\r\n0123456789\r\n000\r\n\r\n", COMPLETE, 200, "abc0123456789"},
    {CHUNKED "3;name=value\r\nabc\r\n0 ; x=\"y\"\r\n\r\n", COMPLETE, 200, "abc"},
    {CHUNKED "0\r\nContent-Length: 5\r\nOther: x\r\n folded\r\n\r\n", COMPLETE, 200, ""},
    {OK_HEAD "transfer-encoding:Chunked \r\n\r\n0\r\n\r\n", COMPLETE, 200, ""},
    {CHUNKED, EARLY, 200, ""},
    {CHUNKED "3\r\nabc\r\n", EARLY, 200, ""},
    {CHUNKED "3\r\nabc\r\n0\r\n", EARLY, 200, ""},
    {CHUNKED "fffffffffffffff\r\nabc", EARLY, 200, ""},
    {CHUNKED "3\r\nabcd\r\n0\r\n\r\n", MALFORMED, 0, "longer than its size"},
    {CHUNKED "3\r\nabc\n0\r\n\r\n", MALFORMED, 0, "CR LF"},
    {CHUNKED "\r\nabc", MALFORMED, 0, "chunk"},
    {CHUNKED "x\r\nabc", MALFORMED, 0, "chunk"},
    {CHUNKED "-3\r\nabc", MALFORMED, 0, "chunk"},
    {CHUNKED "0x3\r\nabc", MALFORMED, 0, "chunk"},
    {CHUNKED "3 \r\nabc", MALFORMED, 0, "chunk"},
    {CHUNKED "3 abc\r\n", MALFORMED, 0, "chunk"},
    {CHUNKED "1000000000000000\r\nabc", MALFORMED, 0, "chunk"},
    {CHUNKED "10000000000000003\r\nabc", MALFORMED, 0, "chunk"},
    {CHUNKED "0\r\nno field\r\n\r\n", MALFORMED, 0, "header field"},
    {CHUNKED "0\r\n folded\r\n\r\n", MALFORMED, 0, "header field"},
    {OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", MALFORMED, 0, "Transfer-Encoding"},
    {OK_HEAD "Transfer-Encoding: identity\r\n\r\n", MALFORMED, 0, "Transfer-Encoding"},
    {OK_HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n", MALFORMED, 0, "Transfer-Encoding"},
    {OK_HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n", MALFORMED, 0, "Transfer-Encoding"},
    {OK_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", MALFORMED, 0,
     "Transfer-Encoding"},
    {OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", MALFORMED, 0, "two ways"},
    {OK_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", MALFORMED, 0, "two ways"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MALFORMED, 0, "two ways"},
    /* Responses without a body, whatever the fields say; interim responses */
    {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n|abc", COMPLETE, 204, ""},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", COMPLETE, 304, ""},
    {"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", COMPLETE, 204, ""},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 3\r\n\r\nabc", COMPLETE, 200, "abc"},
    {"HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\nHTTP/1.1 100\r\n\r\n" OK_HEAD
     "Content-Length: 3\r\n\r\nabc",
     COMPLETE, 200, "abc"},
    {"HTTP/1.0 103 X\r\n\r\n" CHUNKED "0\r\n\r\n", COMPLETE, 200, ""},
    {"HTTP/1.1 100 Continue\r\n\r\n", EARLY, 100, ""},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", MALFORMED, 0, "protocol"},
    /* The status line */
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", COMPLETE, 404, ""},
    {"HTTP/1.9 200 \r\nContent-Length: 0\r\n\r\n", COMPLETE, 200, ""},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", COMPLETE, 200, ""},
    {"HTTP/1.1 999 \x80\xff\t\r\nContent-Length: 0\r\n\r\n", COMPLETE, 999, ""},
    {"", EARLY, 0, ""},
    {"HTTP/1.1 200", EARLY, 0, ""},
    {OK_HEAD, EARLY, 200, ""},
    {OK_HEAD "Content-Le", EARLY, 200, ""},
    {OK_HEAD "Content-Length: 0\r\n", EARLY, 200, ""},
    {"HTTP/1.1 2000 OK\r\n\r\n", MALFORMED, 0, "three digits"},
    {"HTTP/1.1 20 OK\r\n\r\n", MALFORMED, 0, "three digits"},
    {"HTTP/1.1 20x OK\r\n\r\n", MALFORMED, 0, "three digits"},
    {"HTTP/1.1 200x\r\n\r\n", MALFORMED, 0, "three digits"},
    {"HTTP/1.1 099 OK\r\n\r\n", MALFORMED, 0, "three digits"},
    {"HTTP/1.1 +20 OK\r\n\r\n", MALFORMED, 0, "three digits"},
    {"HTTP/1.1  200 OK\r\n\r\n", MALFORMED, 0, "three digits"},
    {"HTTP/1.1\t200 OK\r\n\r\n", MALFORMED, 0, "not HTTP/1"},
    {"HTTP/1.10 200 OK\r\n\r\n", MALFORMED, 0, "not HTTP/1"},
    {"HTTP/1.\r\n\r\n", MALFORMED, 0, "not HTTP/1"},
    {"HTTP/2 200\r\n\r\n", MALFORMED, 0, "not HTTP/1"},
    {"http/1.1 200 OK\r\n\r\n", MALFORMED, 0, "not HTTP/1"},
    {"\r\nHTTP/1.1 200 OK\r\n\r\n", MALFORMED, 0, "not HTTP/1"},
    {"SSH-2.0", MALFORMED, 0, "not HTTP/1"},
    {"\x15\x03\x01", MALFORMED, 0, "not HTTP/1"},
    /* Fields and lines */
    {OK_HEAD "X: y\r\n folded\r\n\tagain\r\nContent-Length: 0\r\n\r\n", COMPLETE, 200, ""},
    {OK_HEAD "X:\r\nContent-Length: 0\r\n\r\n", COMPLETE, 200, ""},
    {OK_HEAD "X: y\r\n \r\nContent-Length: 0\r\n\r\n", COMPLETE, 200, ""},
    {OK_HEAD " X: y\r\n\r\n", MALFORMED, 0, "header field"},
    {OK_HEAD "X : y\r\n\r\n", MALFORMED, 0, "header field"},
    {OK_HEAD ": y\r\n\r\n", MALFORMED, 0, "header field"},
    {OK_HEAD "no field\r\n\r\n", MALFORMED, 0, "header field"},
    {OK_HEAD "X\x80: y\r\n\r\n", MALFORMED, 0, "header field"},
    {OK_HEAD "X: a\rb\r\n\r\n", MALFORMED, 0, "control"},
    {OK_HEAD "X: \x1b[2J\r\n\r\n", MALFORMED, 0, "control"},
    {"HTTP/1.1 200 \x7f\r\n\r\n", MALFORMED, 0, "control"},
    {"HTTP/1.1 200 OK\n\r\n", MALFORMED, 0, "CR LF"},
    {OK_HEAD "X: y\n\r\n", MALFORMED, 0, "CR LF"},
    {OK_HEAD "\n", MALFORMED, 0, "CR LF"},
};

static const char *const outcomes[] = {
    [COMPLETE] = "complete",
    [AT_CLOSE] = "complete when the server closes",
    [EARLY] = "not complete",
    [MALFORMED] = "malformed",
};

/* Feeds LENGTH bytes in pieces of at most PIECE bytes. Returns how many belong to the response. */
static size_t feed(struct client_response *response, const char *bytes, size_t length, size_t piece)
{
    size_t taken = 0;
    memset(response, 0, sizeof *response);
    for (size_t at = 0; at < length; at += piece) {
        size_t part = length - at < piece ? length - at : piece;
        /* Of exactly its size, so that the sanitizer detects an access past it. */
        char *copy = malloc(part);
        if (!copy)
            return 0;
        memcpy(copy, bytes + at, part);
        taken += client_response_feed(response, copy, part);
        free(copy);
    }
    return taken;
}

static bool is_as_wanted(size_t row, size_t piece)
{
    static struct client_response response;
    const char *bytes = rows[row].bytes, *text = rows[row].text;
    enum outcome outcome = rows[row].outcome;
    char plain[512];
    size_t length = strcspn(bytes, "|");
    (void)snprintf(plain, sizeof plain, "%.*s%s", (int)length, bytes,
                   bytes[length] ? bytes + length + 1 : "");
    size_t taken = feed(&response, plain, strlen(plain), piece);
    bool early = response.state < CLIENT_RESPONSE_COMPLETE;
    bool ended = client_response_end(&response) == 0;
    if (outcome == MALFORMED)
        return response.state == CLIENT_RESPONSE_MALFORMED && !ended &&
               strstr(response.fault, text);
    if (early != (outcome != COMPLETE) || ended != (outcome != EARLY) || taken != length ||
        response.status != rows[row].status)
        return false;
    return !ended || (response.body_length == strlen(text) && response.body_kept == strlen(text) &&
                      memcmp(response.body, text, strlen(text)) == 0);
}

static void expect_rows(void)
{
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        bool right = true;
        for (size_t piece = 1; piece <= 7; piece++)
            right = is_as_wanted(row, piece) && right;
        ok(right && is_as_wanted(row, 4096),
           "response %zu of the table is %s, in pieces of any size (%s)", row,
           outcomes[rows[row].outcome], rows[row].text);
    }
}

static void expect_nul_is_refused(void)
{
    static const char status[] = "HTTP/1.1 \0\0\0 OK\r\n\r\n", field[] = OK_HEAD "X: \0y\r\n\r\n";
    static struct client_response response;
    (void)feed(&response, status, sizeof status - 1, 4096);
    ok(response.state == CLIENT_RESPONSE_MALFORMED, "a NUL in the status line is refused");
    (void)feed(&response, field, sizeof field - 1, 4096);
    ok(response.state == CLIENT_RESPONSE_MALFORMED, "a NUL in a field is refused");
}

/* A head with COUNT fields of LENGTH bytes each, including their CR LF. */
static char *head_of(size_t count, size_t length, size_t *ret_length)
{
    static const char start[] = OK_HEAD, end[] = "Content-Length: 0\r\n\r\n";
    char *head = malloc(sizeof start + count * length + sizeof end);
    if (!head)
        exit(1);
    char *p = head + sprintf(head, "%s", start);
    for (size_t i = 0; i < count; i++, p += length) {
        memset(p, 'x', length);
        memcpy(p, "X:", 2);
        memcpy(p + length - 2, "\r\n", 2);
    }
    p += sprintf(p, "%s", end);
    *ret_length = (size_t)(p - head);
    return head;
}

static void expect_limits(void)
{
    static const struct {
        size_t count, length;
        bool malformed;
    } heads[] = {
        {1, CLIENT_RESPONSE_LINE_MAX, false},
        {1, CLIENT_RESPONSE_LINE_MAX + 1, true},
        /* 17 bytes of the status line, and 21 of the end */
        {2, (CLIENT_RESPONSE_HEAD_MAX - 38) / 2, true},
        {(CLIENT_RESPONSE_HEAD_MAX - 38) / 31, 31, false},
        {(CLIENT_RESPONSE_HEAD_MAX - 38) / 31 + 1, 31, true},
    };
    static struct client_response whole, split;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t length;
        char *head = head_of(heads[i].count, heads[i].length, &length);
        (void)feed(&whole, head, length, length);
        (void)feed(&split, head, length, 100);
        ok(whole.state ==
                   (heads[i].malformed ? CLIENT_RESPONSE_MALFORMED : CLIENT_RESPONSE_COMPLETE) &&
               split.state == whole.state && split.fault == whole.fault,
           "%zu fields of %zu bytes are %s", heads[i].count, heads[i].length,
           heads[i].malformed ? "refused" : "accepted");
        free(head);
    }
    char *interim = malloc(CLIENT_RESPONSE_HEAD_MAX + 64);
    size_t length = 0;
    while (interim && length <= CLIENT_RESPONSE_HEAD_MAX)
        length += (size_t)sprintf(interim + length, "HTTP/1.1 100 Continue\r\n\r\n");
    (void)feed(&whole, interim, length, 1000);
    ok(whole.state == CLIENT_RESPONSE_MALFORMED, "endless interim responses are refused");
    free(interim);
}

static void expect_what_is_kept(void)
{
    static const char head[] = "HTTP/1.1 302 Found\r\nLocation: http://a/\x1b\r\n\r\n";
    static struct client_response response;
    char bytes[4096];
    int length = sprintf(bytes, "%sLOCATION: \t http://a/b?c \r\n\r\n", OK_HEAD);
    (void)feed(&response, bytes, (size_t)length, 4096);
    ok(strcmp(response.location, "http://a/b?c") == 0, "Location is kept");
    (void)feed(&response, head, sizeof head - 1, 4096);
    ok(response.state == CLIENT_RESPONSE_MALFORMED, "a Location with an escape code is refused");
    length = sprintf(bytes, "%sLocation: ", OK_HEAD);
    memset(bytes + length, 'y', 1000);
    strcpy(bytes + length + 1000, "\r\n\r\n");
    (void)feed(&response, bytes, (size_t)length + 1004, 4096);
    same((long long)strlen(response.location), CLIENT_RESPONSE_LOCATION_MAX,
         "a long Location is truncated");
    memset(bytes, 'z', sizeof bytes);
    for (int i = 0; i < 10; i++)
        (void)client_response_feed(&response, bytes, sizeof bytes);
    same((long long)response.body_length, 10 * (long long)sizeof bytes,
         "all bytes of a long body are counted");
    same((long long)response.body_kept, CLIENT_RESPONSE_KEPT_MAX,
         "the first bytes of a long body are kept");
}

void test_client_response(void)
{
    expect_rows();
    expect_nul_is_refused();
    expect_limits();
    expect_what_is_kept();
}
