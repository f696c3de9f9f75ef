#include "http/request.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INCOMPLETE = 0, VALID = 200 };

/* How the bytes are judged: INCOMPLETE, VALID, or the status that refuses them. They are in memory
 * of exactly their size, so that the sanitizer detects an access past it. */
static int judge(const char *bytes, size_t length, struct request *ret_request)
{
    static char *copy;
    free(copy);
    copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    size_t skipped = request_skip_empty_lines(copy, length);
    int body_length, scanned = request_head_length(copy + skipped, length - skipped, &body_length);
    if (scanned <= 0)
        return -scanned;
    int status = request_parse(copy + skipped, (size_t)scanned, ret_request);
    return status ? status : VALID;
}

#define HEAD(text) text, sizeof(text) - 1
#define HOST "Host: a\r\n"
#define CHUNKED HOST "Transfer-Encoding: chunked\r\n"

static const struct {
    const char *claim, *bytes;
    size_t length;
    int status;
} heads[] = {
    {"GET", HEAD("GET / HTTP/1.1\r\n" HOST "\r\n"), VALID},
    {"HEAD", HEAD("HEAD / HTTP/1.1\r\n" HOST "\r\n"), VALID},
    {"HTTP/1.0 without Host", HEAD("GET / HTTP/1.0\r\n\r\n"), VALID},
    {"empty lines before it (RFC 9112 2.2)", HEAD("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), VALID},
    {"another request after it", HEAD("GET / HTTP/1.1\r\n" HOST "\r\nGARBAGE\x00"), VALID},
    {"an empty Host (RFC 9110 7.2)", HEAD("GET / HTTP/1.1\r\nHost:\r\n\r\n"), VALID},
    {"a Host with an IPv6 address", HEAD("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"), VALID},
    {"Content-Length: 0", HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"), VALID},
    {"tabs as white space", HEAD("GET / HTTP/1.1\r\nHost:\ta\t\r\nX:\t1\r\n\r\n"), VALID},
    {"bytes of 0x80 and above in a value", HEAD("GET / HTTP/1.1\r\n" HOST "X: \xff\r\n\r\n"),
     VALID},
    {"absolute-form (RFC 9112 3.2.2)", HEAD("GET http://a/ HTTP/1.1\r\n" HOST "\r\n"), VALID},
    {"absolute-form without a path", HEAD("GET http://a HTTP/1.1\r\n" HOST "\r\n"), VALID},
    {"absolute-form with a query but no path (RFC 9110 4.2.3)",
     HEAD("GET http://a?x HTTP/1.1\r\n" HOST "\r\n"), VALID},
    {"HTTP/1.2, a later minor version (RFC 9110 2.5)", HEAD("GET / HTTP/1.2\r\n" HOST "\r\n"),
     VALID},
    {"a request line alone", HEAD("GET / HTTP/1.1\r\n"), INCOMPLETE},
    {"nothing", HEAD(""), INCOMPLETE},
    {"one CR", HEAD("\r"), INCOMPLETE},
    {"no Host (RFC 9112 3.2)", HEAD("GET / HTTP/1.1\r\n\r\n"), 400},
    {"two Hosts (3.2)", HEAD("GET / HTTP/1.1\r\n" HOST HOST "\r\n"), 400},
    {"two Hosts in HTTP/1.0", HEAD("GET / HTTP/1.0\r\n" HOST HOST "\r\n"), 400},
    {"a Host with a space (3.2)", HEAD("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
    {"a Host with a user", HEAD("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400},
    {"a Host with a path", HEAD("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
    {"a Host with an invalid port", HEAD("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), 400},
    {"a Host that is a list", HEAD("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400},
    {"a Host with half a bracket", HEAD("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400},
    {"an empty chunked body (7.1)", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n0\r\n\r\n"), VALID},
    {"the same, in lower case, and a request after it",
     HEAD("GET / HTTP/1.1\r\n" HOST "transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET"), VALID},
    {"a chunked body that has not arrived", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n"), INCOMPLETE},
    {"a half-sent chunked body", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n0\r\n\r"), INCOMPLETE},
    {"a chunk", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n5\r\nhello\r\n0\r\n\r\n"), 413},
    {"the beginning of a chunk", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\nF"), 413},
    {"a chunk extension (7.1.1)", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n0;a=b\r\n\r\n"), 413},
    {"a trailer (7.1.2)", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n0\r\nX: 1\r\n\r\n"), 413},
    {"a last chunk of two zeros", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n00\r\n\r\n"), 413},
    {"a last chunk with a bare LF", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n0\n\r\n"), 413},
    {"a request in place of a chunk",
     HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"an empty line in place of a chunk", HEAD("GET / HTTP/1.1\r\n" CHUNKED "\r\n\r\n"), 400},
    {"a client that waits to send its body (RFC 9110 10.1.1)",
     HEAD("GET / HTTP/1.1\r\n" CHUNKED "Expect: 100-continue\r\n\r\n"), 413},
    {"the same without a coding", HEAD("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"),
     VALID},
    {"a chunked body of POST", HEAD("POST / HTTP/1.1\r\n" CHUNKED "\r\n"), 405},
    {"an empty chunked body without Host",
     HEAD("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
    {"a coding in HTTP/1.0 (6.1)", HEAD("GET / HTTP/1.0\r\n" CHUNKED "\r\n"), 400},
    {"two codings", HEAD("GET / HTTP/1.1\r\n" CHUNKED "Transfer-Encoding: chunked\r\n\r\n"), 400},
    {"chunked twice", HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
     400},
    {"another coding", HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
     400},
    {"a coding with a parameter",
     HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;q=1\r\n\r\n"), 400},
    {"a coding after a tab", HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding:\tchunked\r\n\r\n"),
     400},
    {"a coding after two spaces",
     HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding:  chunked\r\n\r\n"), 400},
    {"a coding without a space",
     HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding:chunked\r\n\r\n"), 400},
    {"a coding with a space after it",
     HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked \r\n\r\n"), 400},
    {"a coding with a space before the colon",
     HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n"), 400},
    {"an empty coding", HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n"), 400},
    {"a folded coding", HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n"),
     400},
    {"TE.CL (6.3)",
     HEAD("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
     400},
    {"CL.TE (6.3)",
     HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nTransfer-Encoding: x\r\n\r\n"), 400},
    {"CL.CL (6.3)",
     HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 5\r\n\r\n"), 400},
    {"the same CL twice",
     HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"), 400},
    {"CL as a list", HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 0, 0\r\n\r\n"), 400},
    {"CL with a sign", HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: +0\r\n\r\n"), 400},
    {"CL in hex", HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 0x0\r\n\r\n"), 400},
    {"an empty CL", HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"), 400},
    {"a body", HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"), 413},
    {"a body of more than 64 bits",
     HEAD("GET / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n"), 413},
    {"a folded line (5.2)", HEAD("GET / HTTP/1.1\r\n" HOST "X: 1\r\n 2\r\n\r\n"), 400},
    {"a folded request line", HEAD("GET / HTTP/1.1\r\n X: 1\r\n" HOST "\r\n"), 400},
    {"a space before the colon (5.1)", HEAD("GET / HTTP/1.1\r\n" HOST "X : 1\r\n\r\n"), 400},
    {"a field without a colon", HEAD("GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"), 400},
    {"a field without a name", HEAD("GET / HTTP/1.1\r\n" HOST ": 1\r\n\r\n"), 400},
    {"a NUL in a name", HEAD("GET / HTTP/1.1\r\n" HOST "X\x00: 1\r\n\r\n"), 400},
    {"a NUL in a value", HEAD("GET / HTTP/1.1\r\n" HOST "X: \x00\r\n\r\n"), 400},
    {"a NUL in the target", HEAD("GET /\x00 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a CR in a value", HEAD("GET / HTTP/1.1\r\n" HOST "X: 1\rY: 2\r\n\r\n"), 400},
    {"a bare LF after the request line (2.2)", HEAD("GET / HTTP/1.1\n" HOST "\r\n"), 400},
    {"a bare LF after a field", HEAD("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400},
    {"a bare LF between fields", HEAD("GET / HTTP/1.1\r\n" HOST "X: 1\nY: 1\r\n\r\n"), 400},
    {"a bare LF in place of the final empty line", HEAD("GET / HTTP/1.1\r\n" HOST "\n"), 400},
    {"a bare LF before the request line", HEAD("\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"two spaces after the method", HEAD("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a space at the end of the request line", HEAD("GET / HTTP/1.1 \r\n" HOST "\r\n"), 400},
    {"a tab for a space", HEAD("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a leading space", HEAD(" GET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no version", HEAD("GET /\r\n"), 400},
    {"HTTP/0.9", HEAD("GET / HTTP/0.9\r\n\r\n"), 505},
    {"HTTP/2.0", HEAD("GET / HTTP/2.0\r\n" HOST "\r\n"), 505},
    {"the preface of HTTP/2", HEAD("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
    {"HTTP/1.10", HEAD("GET / HTTP/1.10\r\n" HOST "\r\n"), 400},
    {"http/1.1", HEAD("GET / http/1.1\r\n" HOST "\r\n"), 400},
    {"a byte of 0x80 in the target", HEAD("GET /\x80 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a fragment", HEAD("GET /#a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"* for GET (3.2.4)", HEAD("GET * HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a target without a slash", HEAD("GET a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"another scheme", HEAD("GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"absolute-form without a host", HEAD("GET http:///x HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"absolute-form without Host", HEAD("GET http://a/ HTTP/1.1\r\n\r\n"), 400},
    {"POST", HEAD("POST / HTTP/1.1\r\n" HOST "\r\n"), 405},
    {"CONNECT", HEAD("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n"), 405},
    {"OPTIONS *", HEAD("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 405},
    {"an unknown method", HEAD("BREW / HTTP/1.1\r\n" HOST "\r\n"), 405},
    {"get in lower case (RFC 9110 9.1)", HEAD("get / HTTP/1.1\r\n" HOST "\r\n"), 405},
    {"POST that is also malformed", HEAD("POST / HTTP/1.1\r\n" HOST "X : 1\r\n\r\n"), 400},
    {"TLS", HEAD("\x16\x03\x01\x02\x00\x01\x00"), 400},
    {"a NUL", HEAD("\x00"), 400},
};

static void expect_heads(void)
{
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct request request;
        same(judge(heads[i].bytes, heads[i].length, &request), heads[i].status, "%s: %d",
             heads[i].claim, heads[i].status);
    }
}

/* A head with COUNT fields besides Host. */
static size_t head_with_fields(char *head, size_t size, int count)
{
    int length = snprintf(head, size, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < count; i++)
        length += snprintf(head + length, size - (size_t)length, "X%d: 1\r\n", i);
    return (size_t)(length + snprintf(head + length, size - (size_t)length, "\r\n"));
}

/* A head of LENGTH bytes, filled by a long request line (IN_LINE) or a long field. */
static void head_of_length(char *head, size_t length, bool in_line)
{
    static const char start[] = "GET /",
                      field[] = " HTTP/1.1\r\nHost: a\r\nX: ", end[] = "\r\n\r\n";
    memset(head, 'x', length);
    memcpy(head, start, sizeof start - 1);
    if (in_line)
        memcpy(head + length - sizeof end + 1 - (sizeof field - 1), field, sizeof field - 1);
    else
        memcpy(head + sizeof start - 1, field, sizeof field - 1);
    memcpy(head + length - sizeof end + 1, end, sizeof end - 1);
}

static void expect_limits(void)
{
    struct request request;
    char head[REQUEST_HEAD_MAX + 1];
    size_t length = head_with_fields(head, sizeof head, REQUEST_FIELDS_MAX - 1);
    same(judge(head, length, &request), VALID, "63 fields are accepted");
    length = head_with_fields(head, sizeof head, REQUEST_FIELDS_MAX);
    same(judge(head, length, &request), 431, "64 fields: 431");
    head_of_length(head, REQUEST_HEAD_MAX, true);
    same(judge(head, REQUEST_HEAD_MAX, &request), VALID, "a head of 8 KiB is accepted");
    same(judge(head, REQUEST_HEAD_MAX - 1, &request), INCOMPLETE,
         "a head of 8 KiB is incomplete without its last byte");
    head_of_length(head, REQUEST_HEAD_MAX + 1, false);
    same(judge(head, REQUEST_HEAD_MAX, &request), 431, "fields of more than 8 KiB: 431");
    memset(head, 'x', sizeof head);
    memcpy(head, "GET /", 5);
    same(judge(head, REQUEST_HEAD_MAX, &request), 414, "a request line of 8 KiB: 414");
}

static void expect_prefixes(void)
{
    static const char head[] =
        "GET /visits?tail=5 HTTP/1.1\r\nHost: a:80\r\nAccept: text/html\r\n\r\n";
    struct request request;
    bool right = true;
    for (size_t length = 0; length < sizeof head - 1; length++)
        right = right && judge(head, length, &request) == INCOMPLETE;
    ok(right, "every proper prefix of a head is incomplete");
    ok(judge(head, sizeof head - 1, &request) == VALID && request.path_length == 7 &&
           memcmp(request.path, "/visits", 7) == 0 && strcmp(request.query, "tail=5") == 0 &&
           strcmp(request.accept, "text/html") == 0,
       "the complete head has path, query and Accept");
}

static void expect_parts(void)
{
    static const struct {
        const char *bytes, *path;
        bool keep_alive, head_only;
    } table[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", true, false},
        {"HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "/a", false, true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n\r\n", "/", false, false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nConnection: close\r\n\r\n", "/", false,
         false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", "/", true, false},
        {"GET / HTTP/1.0\r\n\r\n", "/", false, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "/", true, false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "/", false, false},
        {"GET http://b:1/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "/x", true, false},
        {"GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n", "/", true, false},
        {"GET /%2e/ HTTP/1.1\r\nHost: a\r\n\r\n", "/%2e/", true, false},
        {"GET //a/..?b?c HTTP/1.1\r\nHost: a\r\n\r\n", "//a/..", true, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct request request = {0};
        bool right = judge(table[i].bytes, strlen(table[i].bytes), &request) == VALID &&
                     request.keep_alive == table[i].keep_alive &&
                     request.head_only == table[i].head_only &&
                     request.path_length == strlen(table[i].path) &&
                     memcmp(request.path, table[i].path, request.path_length) == 0;
        ok(right, "request %zu: %s, %s", i, table[i].path, table[i].keep_alive ? "kept" : "closed");
    }
}

static void expect_qualities(void)
{
    static const struct {
        const char *accept, *type;
        int quality;
    } table[] = {
        {NULL, "text/html", 1000},
        {"", "text/html", 1000},
        {"*/*", "text/html", 1000},
        {"text/*", "text/html", 1000},
        {"text/html", "text/html", 1000},
        {"TEXT/HTML", "text/html", 1000},
        {"application/json", "text/html", 0},
        {"text/html;q=0.5", "text/html", 500},
        {"text/html; q=0.125", "text/html", 125},
        {"text/html;level=1;q=0.3", "text/html", 300},
        {"text/html;q=0, */*", "text/html", 0},
        {"*/*;q=0.1, text/html;q=0.7, text/*;q=0.4", "text/html", 700},
        {"*/*;q=0.1, text/*;q=0.4", "text/html", 400},
        {"text/html;q=7", "text/html", 0},
        {"text/htmlx, text/htm", "text/html", 0},
        {",,, text/html ,", "text/html", 1000},
        {"text/html;", "text/html", 1000},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json",
         800},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        same(request_quality(table[i].accept, table[i].type), table[i].quality,
             "Accept %s gives %s the quality %d", table[i].accept ? table[i].accept : "nothing",
             table[i].type, table[i].quality);
}

static void expect_parameters(void)
{
    static const struct {
        const char *query, *value;
    } table[] = {
        {"tail=5", "5"},        {"a=1&tail=5&b=2", "5"}, {"tail=", ""},
        {"tail=5&tail=6", "5"}, {"tail", NULL},          {"", NULL},
        {"xtail=5", NULL},      {"tailx=5", NULL},       {"&&tail=a=b", "a=b"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *value = NULL, *wanted = table[i].value;
        int length = request_parameter(table[i].query, "tail", &value);
        ok(wanted ? length == (int)strlen(wanted) && memcmp(value, wanted, strlen(wanted)) == 0
                  : length == -1,
           "tail of \"%s\" is %s", table[i].query, wanted ? wanted : "absent");
    }
}

static void expect_beginnings(void)
{
    static const struct {
        const char *bytes;
        bool begun;
    } table[] = {{"", false},     {"\r", false},         {"\n", false},   {"\r\n", false},
                 {"\r\r", false}, {"\r\n\r\n\r", false}, {"G", true},     {"\r\nG", true},
                 {" ", true},     {"\rG", true},         {"\r\n ", true}, {"\r\n\r\nGET /", true}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        ok(request_has_begun(table[i].bytes, strlen(table[i].bytes)) == table[i].begun,
           "empty lines alone do not begin a request: row %zu", i);
    ok(request_has_begun("\0", 1),
       "a NUL is not an empty line: it begins a request, which is refused");
}

void test_request(void)
{
    expect_heads();
    expect_beginnings();
    expect_limits();
    expect_prefixes();
    expect_parts();
    expect_qualities();
    expect_parameters();
}
