#include "http/client_response.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS "0123456789"
#define SPACE " \t"
#define TOKEN "!#$%&'*+-.^_`|~" DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static void refuse(struct client_response *response, const char *fault)
{
    response->state = CLIENT_RESPONSE_MALFORMED;
    response->fault = fault;
}

/* HTTP-version SP status-code SP [reason] (RFC 9112 §4). Many servers omit the last space if there
 * is no reason. */
static void take_status_line(struct client_response *response, const char *line)
{
    size_t digits;
    if (!isdigit((unsigned char)line[7]) || line[8] != ' ') {
        refuse(response, "is not HTTP/1");
        return;
    }
    response->is_http_1_0 = line[7] == '0';
    line += 9;
    digits = strspn(line, DIGITS);
    if (digits != 3 || *line == '0' || (line[digits] && line[digits] != ' ')) {
        refuse(response, "has a status that is not of three digits");
        return;
    }
    response->status = atoi(line);
    response->has_length = response->is_chunked = response->may_fold = false;
    response->location[0] = response->pod[0] = '\0';
    response->closes = response->is_http_1_0;
    response->state = CLIENT_RESPONSE_FIELDS;
}

/* A number, or a list that only repeats it (RFC 9112 §6.3). Several fields form a list too. */
static bool take_length(struct client_response *response, const char *value)
{
    enum { DIGITS_MAX = 18 };
    for (;; value++) {
        value += strspn(value, SPACE);
        size_t digits = strspn(value, DIGITS);
        uint64_t length = strtoull(value, NULL, 10);
        if (digits == 0 || digits > DIGITS_MAX ||
            (response->has_length && length != response->left))
            return false;
        response->has_length = true;
        response->left = length;
        value += digits;
        value += strspn(value, SPACE);
        if (*value != ',')
            return *value == '\0';
    }
}

/* The request asks for no coding, so only chunked is allowed (RFC 9112 §7.4), and only once. */
static bool take_coding(struct client_response *response, const char *value)
{
    static const char chunked[] = "chunked";
    size_t length = strcspn(value, SPACE);
    if (response->is_chunked || length != sizeof chunked - 1 ||
        strncasecmp(value, chunked, length) != 0 || value[length + strspn(value + length, SPACE)])
        return false;
    response->is_chunked = true;
    return true;
}

/* field-name ":" OWS field-value OWS (RFC 9112 §5). A line that starts with white space is an
 * obsolete continuation of the line before (§5.2). It is ignored, but refused after a field about
 * the framing. Trailer fields cannot change the framing, so they are ignored too. */
static void take_field(struct client_response *response, const char *line)
{
    size_t name = strspn(line, TOKEN);
    if ((*line == ' ' || *line == '\t') && response->may_fold)
        return;
    if (name == 0 || line[name] != ':') {
        refuse(response, "has a malformed header field");
        return;
    }
    const char *value = line + name + 1;
    value += strspn(value, SPACE);
    response->may_fold = true;
    if (response->state == CLIENT_RESPONSE_TRAILER)
        return;
    if (strncasecmp(line, "Content-Length:", name + 1) == 0) {
        response->may_fold = false;
        if (!take_length(response, value))
            refuse(response, "has no valid Content-Length");
    } else if (strncasecmp(line, "Transfer-Encoding:", name + 1) == 0) {
        response->may_fold = false;
        if (!take_coding(response, value))
            refuse(response, "has a Transfer-Encoding that is not chunked");
    } else if (strncasecmp(line, "Location:", name + 1) == 0) {
        (void)snprintf(response->location, sizeof response->location, "%.*s",
                       (int)strcspn(value, SPACE), value);
    } else if (strncasecmp(line, "X-Pod:", name + 1) == 0) {
        (void)snprintf(response->pod, sizeof response->pod, "%.*s", (int)strcspn(value, SPACE),
                       value);
    } else if (strncasecmp(line, "Connection:", name + 1) == 0) {
        response->closes |= strcasestr(value, "close") != NULL;
    }
}

/* Chooses the framing of the body (RFC 9112 §6.3). */
static void end_head(struct client_response *response)
{
    bool is_interim = response->status < 200;
    if (response->status == 101)
        refuse(response, "switches to a protocol that was not asked for");
    else if (response->is_chunked && (response->has_length || response->is_http_1_0))
        refuse(response, "is framed in two ways, by Transfer-Encoding and by what excludes it");
    else if (is_interim)
        response->state = CLIENT_RESPONSE_STATUS_LINE;
    else if (response->status == 204 || response->status == 304)
        response->state = CLIENT_RESPONSE_COMPLETE;
    else if (response->is_chunked)
        response->state = CLIENT_RESPONSE_CHUNK_SIZE;
    else if (response->has_length)
        response->state = response->left > 0 ? CLIENT_RESPONSE_BODY : CLIENT_RESPONSE_COMPLETE;
    else
        response->state = CLIENT_RESPONSE_BODY_UNTIL_CLOSE;
}

/* chunk-size *( BWS ";" ... ) (RFC 9112 §7.1) */
static void take_chunk_size(struct client_response *response, const char *line)
{
    enum { DIGITS_MAX = 15 };
    size_t digits = strspn(line, DIGITS "abcdefABCDEF");
    const char *rest = line + digits;
    if (digits == 0 || digits > DIGITS_MAX || (*rest && rest[strspn(rest, SPACE)] != ';')) {
        refuse(response, "has a chunk without a valid size");
        return;
    }
    response->left = strtoull(line, NULL, 16);
    response->may_fold = false;
    response->state = response->left > 0 ? CLIENT_RESPONSE_CHUNK : CLIENT_RESPONSE_TRAILER;
}

static void take_line(struct client_response *response, const char *line)
{
    for (const char *p = line; *p; p++)
        if (iscntrl((unsigned char)*p) && *p != '\t')
            refuse(response, "has a control character in a line");
    switch (response->state) {
    case CLIENT_RESPONSE_STATUS_LINE:
        take_status_line(response, line);
        break;
    case CLIENT_RESPONSE_FIELDS:
        if (*line)
            take_field(response, line);
        else
            end_head(response);
        break;
    case CLIENT_RESPONSE_CHUNK_SIZE:
        take_chunk_size(response, line);
        break;
    case CLIENT_RESPONSE_CHUNK_END:
        if (*line)
            refuse(response, "has a chunk that is longer than its size");
        else
            response->state = CLIENT_RESPONSE_CHUNK_SIZE;
        break;
    case CLIENT_RESPONSE_TRAILER:
        if (*line)
            take_field(response, line);
        else
            response->state = CLIENT_RESPONSE_COMPLETE;
        break;
    default:
        break;
    }
}

/* Counts LENGTH more bytes and refuses them past a limit. Which limit is exceeded first does not
 * depend on the pieces. */
static bool is_too_long(struct client_response *response, size_t length)
{
    bool is_of_head = response->state != CLIENT_RESPONSE_CHUNK_SIZE &&
                      response->state != CLIENT_RESPONSE_CHUNK_END;
    size_t line_left = sizeof response->line - response->line_length;
    size_t head_left = is_of_head ? CLIENT_RESPONSE_HEAD_MAX - response->head_length : line_left;
    if (length <= line_left && length <= head_left) {
        response->head_length += is_of_head ? length : 0;
        return false;
    }
    refuse(response, line_left <= head_left ? "has a line of more than 8 KiB"
                                            : "has a head of more than 64 KiB");
    return true;
}

/* Parses bytes up to the end of the line. Returns how many. */
static size_t feed_line(struct client_response *response, const char *bytes, size_t length)
{
    static const char version[] = "HTTP/1.";
    const char *newline = memchr(bytes, '\n', length);
    size_t taken = newline ? (size_t)(newline + 1 - bytes) : length;
    if (is_too_long(response, taken))
        return taken;
    char *line = response->line;
    memcpy(line + response->line_length, bytes, taken);
    response->line_length += taken;
    /* Before the line is complete: a server of another protocol may wait for more from the client.
     */
    size_t known =
        response->line_length < sizeof version - 1 ? response->line_length : sizeof version - 1;
    if (response->state == CLIENT_RESPONSE_STATUS_LINE && memcmp(line, version, known) != 0)
        refuse(response, "is not HTTP/1");
    else if (newline && (response->line_length < 2 || line[response->line_length - 2] != '\r'))
        refuse(response, "has a line that does not end with CR LF");
    else if (newline && memchr(line, '\0', response->line_length))
        refuse(response, "has a control character in a line");
    else if (newline) {
        line[response->line_length - 2] = '\0';
        response->line_length = 0;
        take_line(response, line);
    }
    return taken;
}

static size_t feed_body(struct client_response *response, const char *bytes, size_t length)
{
    bool has_end = response->state != CLIENT_RESPONSE_BODY_UNTIL_CLOSE;
    if (has_end && length > response->left)
        length = (size_t)response->left;
    size_t room = sizeof response->body - response->body_kept;
    size_t kept = length < room ? length : room;
    memcpy(response->body + response->body_kept, bytes, kept);
    response->body_kept += kept;
    response->body_length += length;
    if (response->take_body)
        response->take_body(response->take_body_context, bytes, length);
    if (has_end) {
        response->left -= length;
        if (response->left == 0)
            response->state = response->state == CLIENT_RESPONSE_BODY ? CLIENT_RESPONSE_COMPLETE
                                                                      : CLIENT_RESPONSE_CHUNK_END;
    }
    return length;
}

size_t client_response_feed(struct client_response *response, const char *bytes, size_t length)
{
    size_t taken = 0;
    while (taken < length && response->state < CLIENT_RESPONSE_COMPLETE) {
        bool in_body = response->state == CLIENT_RESPONSE_BODY ||
                       response->state == CLIENT_RESPONSE_CHUNK ||
                       response->state == CLIENT_RESPONSE_BODY_UNTIL_CLOSE;
        taken += in_body ? feed_body(response, bytes + taken, length - taken)
                         : feed_line(response, bytes + taken, length - taken);
    }
    return taken;
}

int client_response_end(struct client_response *response)
{
    if (response->state == CLIENT_RESPONSE_BODY_UNTIL_CLOSE)
        response->state = CLIENT_RESPONSE_COMPLETE;
    return response->state == CLIENT_RESPONSE_COMPLETE ? 0 : -1;
}
