/* Fuzzes http/request.c with the bytes of a connection: no access past their end, valid results,
 * and no request is accepted that could smuggle a second one past a proxy. */
#include "http/request.h"
#include "demand.h"
#include "http/civetweb_glue.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct range {
    const char *start, *end;
};

/* Is TEXT a string inside RANGE, with its NUL? */
static bool has_string(struct range range, const char *text)
{
    return text >= range.start && text < range.end &&
           memchr(text, '\0', (size_t)(range.end - text)) != NULL;
}

/* Counts the lines after the first that start with NAME. */
static int count_fields(struct range head, const char *name)
{
    int count = 0;
    size_t length = strlen(name);
    for (const char *p = head.start; p < head.end; p++)
        count +=
            *p == '\n' && (size_t)(head.end - p) > length && strncasecmp(p + 1, name, length) == 0;
    return count;
}

/* Is BODY what the head tells? It is empty, or the last chunk after one coding, in one spelling. */
static bool is_framed(struct range head, struct range body, const struct request *request)
{
    static const char coding[] = "Transfer-Encoding: chunked\r", last_chunk[] = "0\r\n\r\n";
    size_t length = (size_t)(body.end - body.start);
    int codings = count_fields(head, "Transfer-Encoding:");
    if (codings == 0)
        return length == 0;
    return codings == 1 && count_fields(head, coding) == 1 && !request->http_1_0 &&
           count_fields(head, "Content-Length:") == 0 && length == sizeof last_chunk - 1 &&
           memcmp(body.start, last_chunk, length) == 0;
}

/* An accepted request has nothing that RFC 9112 tells a server to refuse (§2.2, §3.2, §5, §6). */
static void demand_no_smuggling(struct range head, struct range body, const struct request *request)
{
    demand(!memchr(head.start, '\0', (size_t)(head.end - head.start)), "no NUL is accepted");
    for (const char *p = head.start; p < head.end; p++) {
        demand(*p != '\n' || (p > head.start && p[-1] == '\r'), "no bare LF is accepted");
        demand(*p != '\r' || (p + 1 < head.end && p[1] == '\n'), "no bare CR is accepted");
        demand(*p != '\n' || p + 1 == head.end || (p[1] != ' ' && p[1] != '\t'),
               "no folded line is accepted");
    }
    demand(is_framed(head, body, request), "no coding is accepted but one before the last chunk");
    demand(count_fields(head, "Content-Length:") <= 1, "no two lengths are accepted");
    demand(count_fields(head, "Host:") <= 1, "no two Hosts are accepted");
    demand(count_fields(head, "Host:") == 1 || request->http_1_0, "HTTP/1.1 has a Host");
}

static void demand_parts(struct range head, const struct request_head *parts)
{
    demand(has_string(head, parts->method), "the method lies in the head");
    demand(has_string(head, parts->target), "the target lies in the head");
    demand(has_string(head, parts->version), "the version lies in the head");
    demand(parts->fields_count <= HEAD_FIELDS_MAX, "there are at most HEAD_FIELDS_MAX fields");
    for (unsigned i = 0; i < parts->fields_count; i++)
        demand(has_string(head, parts->fields[i].name) && has_string(head, parts->fields[i].value),
               "the fields lie in the head");
}

static void demand_request(struct range head, const struct request *request)
{
    static const char *const types[] = {"text/html", "application/json", "text/plain"};
    const char *value, *path = request->path;
    demand(path && path[0] == '/' && request->path_length > 0, "a path starts with a slash");
    demand(strcmp(path, "/") == 0 || has_string(head, path), "the path lies in the head");
    demand(request->path_length <= strlen(path), "the path ends where its string does");
    demand(!memchr(path, '?', request->path_length), "the path ends before the query");
    demand(request->query >= path && request->query <= path + strlen(path),
           "the query follows the path");
    demand(!request->accept || has_string(head, request->accept), "Accept lies in the head");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        int quality = request_quality(request->accept, types[i]);
        demand(quality >= 0 && quality <= 1000, "a quality is from 0 to 1000");
    }
    int length = request_parameter(request->query, "tail", &value);
    demand(length < 0 || (value >= request->query && (size_t)length <= strlen(value) &&
                          !memchr(value, '&', (size_t)length)),
           "a parameter lies in the query");
}

/* The result for a part of the bytes does not change with the bytes after it. */
static void demand_same_of_part(const char *bytes, size_t length, int result)
{
    size_t part = length > 0 ? (unsigned char)bytes[length - 1] * length / 256 : 0;
    char *copy = copy_exactly(bytes, part);
    int body_length, early = request_head_length(copy, part, &body_length);
    demand(early == 0 || early == result, "an early result is the final one");
    free(copy);
}

static bool is_result(int result, size_t length)
{
    static const int refusals[] = {400, 405, 413, 414, 431, 505};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (result == -refusals[i])
            return true;
    return result == 0 ||
           (result >= (int)sizeof "GET / HTTP/1.0\r\n\r\n" - 1 && (size_t)result <= length);
}

/* Parses one request. Returns its length in bytes, or 0 if the connection waits or ends. */
static size_t take_request(const char *bytes, size_t length)
{
    struct request_head parts;
    struct request request;
    char *copy = copy_exactly(bytes, length);
    size_t skipped = request_skip_empty_lines(copy, length), taken = 0;
    demand(skipped <= length && skipped % 2 == 0, "an empty line has two bytes");
    char *head = copy + skipped;
    length -= skipped;
    bytes += skipped;
    int body_length, scanned = request_head_length(head, length, &body_length);
    demand(is_result(scanned, length), "the result is a length or a status");
    demand(scanned <= 0 || (body_length >= 0 && (size_t)(scanned + body_length) <= length),
           "a body has arrived");
    demand_same_of_part(bytes, length, scanned);
    if (scanned > 0) {
        struct range range = {head, head + scanned};
        char *again = copy_exactly(head, (size_t)scanned);
        int split = civetweb_split_head(again, (size_t)scanned, &parts);
        if (split == 0)
            demand_parts((struct range){again, again + scanned}, &parts);
        free(again);
        int status = request_parse(head, (size_t)scanned, &request);
        demand(status == 0 || status == 400 || status == 413, "a status of request_parse()");
        demand(split == 0 || status == split, "what cannot be split is refused");
        if (status == 0) {
            demand_request(range, &request);
            const char *body = bytes + scanned;
            demand_no_smuggling((struct range){bytes, body},
                                (struct range){body, body + body_length}, &request);
            taken = skipped + (size_t)(scanned + body_length);
        }
    }
    free(copy);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    while (size > 0) {
        size_t taken = take_request(bytes, size < REQUEST_HEAD_MAX ? size : REQUEST_HEAD_MAX);
        if (taken == 0)
            break;
        bytes += taken;
        size -= taken;
    }
    return 0;
}
