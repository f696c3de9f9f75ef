/* Fuzzes http/client_response.c with the bytes of a response: no access past their end, the same
 * result for all ways to split them, and no response is complete against the framing of RFC 9112.
 * The first byte of the input chooses the pieces. */
#include "http/client_response.h"
#include "demand.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct range {
    const char *start, *end;
};

static void feed(struct client_response *response, const char *bytes, size_t length, size_t *taken)
{
    char *copy = copy_exactly(bytes, length);
    size_t part = client_response_feed(response, copy, length);
    demand(part <= length, "no more bytes are taken than given");
    demand(part == length || response->state >= CLIENT_RESPONSE_COMPLETE,
           "all bytes are taken before the end");
    *taken += part;
    free(copy);
}

/* Feeds pieces of 1 to 16 bytes, of varying length. */
static size_t feed_in_pieces(struct client_response *response, struct range range, unsigned seed)
{
    size_t taken = 0;
    while (range.start < range.end) {
        size_t left = (size_t)(range.end - range.start), piece = 1 + seed % 16;
        seed = seed * 5 + 3;
        piece = piece < left ? piece : left;
        feed(response, range.start, piece, &taken);
        range.start += piece;
    }
    return taken;
}

static void demand_same(const struct client_response *whole, const struct client_response *pieces)
{
    demand(whole->state == pieces->state, "the pieces do not change the state");
    demand(whole->fault == pieces->fault, "the pieces do not change the fault");
    demand(whole->status == pieces->status, "the pieces do not change the status");
    demand(whole->body_length == pieces->body_length && whole->body_kept == pieces->body_kept &&
               memcmp(whole->body, pieces->body, whole->body_kept) == 0,
           "the pieces do not change the body");
    demand(strcmp(whole->location, pieces->location) == 0, "the pieces do not change Location");
}

/* The head of the final response, after any interim responses. */
static struct range final_head(struct range range)
{
    for (const char *p = range.start; range.end - p >= 4; p++) {
        if (memcmp(p, "\r\n\r\n", 4) != 0)
            continue;
        if (p - range.start > 9 && range.start[9] == '1')
            range.start = p + 4;
        else
            return (struct range){range.start, p + 4};
    }
    return (struct range){range.end, range.end};
}

/* Counts the fields that start with NAME. *RET_VALUE points after NAME in the last one. */
static int count_fields(struct range head, const char *name, const char **ret_value)
{
    int count = 0;
    size_t length = strlen(name);
    for (const char *p = head.start; p < head.end; p++) {
        if (*p != '\n' || (size_t)(head.end - p) <= length || strncasecmp(p + 1, name, length) != 0)
            continue;
        *ret_value = p + 1 + length;
        count++;
    }
    return count;
}

static void demand_head(struct range head, const struct client_response *response)
{
    demand(head.end - head.start >= 16 && memcmp(head.start, "HTTP/1.", 7) == 0, "it is HTTP/1");
    demand(response->status >= 200 && response->status <= 999 &&
               atoi(head.start + 9) == response->status,
           "the status is that of the final response");
    for (const char *p = head.start; p < head.end; p++) {
        demand(*p != '\0', "no NUL is accepted");
        demand(*p != '\n' || p[-1] == '\r', "no bare LF is accepted");
        demand(*p != '\r' || p[1] == '\n', "no bare CR is accepted");
    }
}

/* A complete response is as long as its head says. TAKEN bytes of RANGE are the response. */
static void demand_framing(struct range range, size_t taken, const struct client_response *response,
                           bool at_close)
{
    struct range head = final_head(range);
    demand_head(head, response);
    bool empty = response->status == 204 || response->status == 304;
    size_t rest = taken - (size_t)(head.end - range.start);
    const char *value = "";
    int codings = count_fields(head, "Transfer-Encoding:", &value);
    int lengths = count_fields(head, "Content-Length:", &value);
    demand(codings == 0 || lengths == 0, "no response is framed in two ways");
    demand(codings <= 1, "no coding is named twice");
    demand(at_close == (!empty && codings == 0 && lengths == 0),
           "only a response without framing ends with the connection");
    if (codings == 0 || empty)
        demand(rest == (empty ? 0 : response->body_length),
               "all bytes after the head are the body");
    else
        demand(rest >= response->body_length + 5 && range.start[taken - 1] == '\n' &&
                   range.start[taken - 3] == '\n',
               "chunks end with an empty line");
    if (lengths > 0 && !empty)
        demand(strtoull(value, NULL, 10) == response->body_length,
               "the body has the length in its head");
}

static struct client_response whole, pieces;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct range range = {(const char *)data + 1, (const char *)data + size};
    size_t taken = 0;
    memset(&whole, 0, sizeof whole);
    memset(&pieces, 0, sizeof pieces);
    feed(&whole, range.start, size - 1, &taken);
    size_t taken_in_pieces = feed_in_pieces(&pieces, range, data[0]);
    demand_same(&whole, &pieces);
    demand(whole.body_kept <= whole.body_length && whole.body_kept <= CLIENT_RESPONSE_KEPT_MAX,
           "no more bytes are kept than received");
    demand((whole.state == CLIENT_RESPONSE_MALFORMED) == (whole.fault != NULL),
           "a fault has a reason");
    bool early = whole.state < CLIENT_RESPONSE_COMPLETE;
    if (client_response_end(&whole) == 0) {
        demand(taken == taken_in_pieces, "the pieces do not change the end");
        demand_framing(range, taken, &whole, early);
    } else {
        demand(whole.state != CLIENT_RESPONSE_COMPLETE, "a complete response can end");
    }
    return 0;
}
