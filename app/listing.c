#include "listing.h"

#include "io.h"
#include "stamp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PHASE_HEAD, PHASE_SEARCH, PHASE_LINES, PHASE_FOOT, PHASE_END };
enum {
    CHUNK_HEAD = sizeof "00000000\r\n" - 1,
    ROW_MAX = 128, /* bytes that are put before a line, or in its place */
    READ_MAX = 4096,
    PIECE_READS_MAX = 16,
};

static const char last_chunk[] = "0\r\n\r\n";

void listing_start(struct listing *ret_listing, const struct listing_range *range,
                   enum listing_format format, uint64_t tail)
{
    struct listing listing = {.range = *range, .format = format, .head = "", .foot = ""};
    uint64_t count = tail < range->count ? tail : range->count;
    uint64_t uniform = (range->size - range->uniform_from) / LINE_LENGTH;
    if (count <= uniform) {
        listing.at.offset = range->size - count * LINE_LENGTH;
    } else if (count < range->count) {
        /* One more than the lines: the end of the line before them. */
        listing.search_end = range->uniform_from;
        listing.search_left = count - uniform + 1;
    }
    listing.at.number = range->count - count + 1;
    listing.at.first = true;
    *ret_listing = listing;
}

/* Goes back over one block of the file, from `search_end`, which follows a newline. */
static int search_block(struct listing *listing)
{
    char block[READ_MAX];
    uint64_t end = listing->search_end;
    size_t size = end < sizeof block ? (size_t)end : sizeof block;
    ssize_t got = read_at(listing->range.file, block, size, (off_t)(end - size));
    if (got >= 0 && (size_t)got != size)
        errno = EIO; /* another process has shortened the file */
    if (got < 0 || (size_t)got != size)
        return -1;
    const char *newline = block + size;
    while ((newline = memrchr(block, '\n', (size_t)(newline - block)))) {
        if (--listing->search_left == 0) {
            listing->at.offset = end - size + (size_t)(newline + 1 - block);
            return 0;
        }
    }
    listing->search_end = end - size;
    if (listing->search_end > 0)
        return 0;
    errno = EIO; /* another process has changed the file */
    return -1;
}

/* Looks on for where the lines begin. Returns 0, or -1 with errno; EAGAIN: not found yet. */
static int search(struct listing *listing)
{
    for (unsigned reads = 0; listing->search_left > 0; reads++) {
        if (reads == PIECE_READS_MAX)
            errno = EAGAIN;
        if (reads == PIECE_READS_MAX || search_block(listing) != 0)
            return -1;
    }
    return 0;
}

/* Appends the row of a line, or of the part of an overlong one that has been read, to AT. JSON and
 * HTML show only what is a visit's line, so that nothing in the file can break out of their syntax.
 */
static size_t put_row(const struct listing *listing, char *at, const char *line, size_t length)
{
    const struct listing_position *next = &listing->next;
    unsigned long long number = next->number;
    bool visit = length == LINE_LENGTH && line[STAMP_LENGTH] == '\n' && stamp_is_exact(line);
    const char *comma = next->first ? "" : ",";
    int printed = 0;
    if (listing->format == LISTING_TEXT && !next->mid_line) {
        printed = snprintf(at, ROW_MAX, "%6llu\t", number);
    } else if (listing->format == LISTING_JSON && !next->mid_line) {
        printed =
            visit ? snprintf(at, ROW_MAX, "%s\n{\"visit\": %llu, \"time\": \"%.32s\"}", comma,
                             number, line)
                  : snprintf(at, ROW_MAX, "%s\n{\"visit\": %llu, \"time\": null}", comma, number);
    } else if (listing->format == LISTING_HTML && !next->mid_line) {
        printed = visit
                      ? snprintf(at, ROW_MAX, "<tr><td>%llu<td><time>%.32s</time>\n", number, line)
                      : snprintf(at, ROW_MAX, "<tr><td>%llu<td>not a visit\n", number);
    }
    size_t put = printed > 0 ? (size_t)printed : 0;
    if (listing->format == LISTING_TEXT || listing->format == LISTING_RAW) {
        memcpy(at + put, line, length);
        put += length;
    }
    return put;
}

/* Appends the rows of the lines in BLOCK. Stops before a line that is not whole, unless the block
 * begins with it: then it is longer than a block, and listed in parts. Returns how many bytes were
 * appended. */
static size_t put_rows(struct listing *listing, char *at, size_t room, const char *block,
                       size_t length)
{
    struct listing_position *next = &listing->next;
    size_t put = 0;
    for (size_t from = 0; from < length;) {
        const char *newline = memchr(block + from, '\n', length - from);
        size_t segment = newline ? (size_t)(newline + 1 - (block + from)) : length - from;
        if ((!newline && from > 0) || room - put < segment + ROW_MAX)
            break;
        put += put_row(listing, at + put, block + from, segment);
        next->first = false;
        next->offset += segment;
        next->mid_line = !newline;
        if (newline)
            next->number++;
        from += segment;
    }
    return put;
}

static ssize_t put_lines(struct listing *listing, char *at, size_t room)
{
    struct listing_position *next = &listing->next;
    size_t put = 0;
    for (unsigned reads = 0; reads < PIECE_READS_MAX && next->offset < listing->range.size &&
                             room - put >= READ_MAX + ROW_MAX;
         reads++) {
        char block[READ_MAX];
        uint64_t left = listing->range.size - next->offset;
        size_t size = left < sizeof block ? (size_t)left : sizeof block;
        ssize_t got = read_at(listing->range.file, block, size, (off_t)next->offset);
        if (got == 0) /* another process has shortened the file */
            errno = EIO;
        if (got <= 0)
            return -1;
        put += put_rows(listing, at + put, room - put, block, (size_t)got);
    }
    if (next->offset >= listing->range.size)
        next->phase = PHASE_FOOT;
    return (ssize_t)put;
}

static size_t put_text(struct listing *listing, char *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at, text, length);
    listing->next.phase++;
    return length;
}

/* What the piece at listing->at says, without the framing. */
static ssize_t put_content(struct listing *listing, char *at, size_t room)
{
    struct listing_position *next = &listing->next;
    size_t put = 0;
    *next = listing->at;
    if (next->phase == PHASE_HEAD)
        put += put_text(listing, at, listing->head);
    if (next->phase == PHASE_SEARCH) {
        if (put > 0 && listing->search_left > 0)
            return (ssize_t)put;
        if (search(listing) != 0)
            return -1;
        next->offset = listing->at.offset;
        next->phase = PHASE_LINES;
    }
    if (next->phase == PHASE_LINES) {
        ssize_t lines = put_lines(listing, at + put, room - put);
        if (lines < 0)
            return -1;
        put += (size_t)lines;
    }
    if (next->phase == PHASE_FOOT && room - put > strlen(listing->foot))
        put += put_text(listing, at + put, listing->foot);
    return (ssize_t)put;
}

static ssize_t make_piece(struct listing *listing, char *data, size_t size)
{
    if (!listing->chunked)
        return put_content(listing, data, size);
    ssize_t length =
        put_content(listing, data + CHUNK_HEAD, size - CHUNK_HEAD - 2 - sizeof last_chunk);
    if (length < 0)
        return -1;
    size_t put = 0;
    if (length > 0) {
        char head[32];
        (void)snprintf(head, sizeof head, "%08zx\r\n", (size_t)length);
        memcpy(data, head, CHUNK_HEAD);
        put = CHUNK_HEAD + (size_t)length;
        data[put++] = '\r';
        data[put++] = '\n';
    }
    if (listing->next.phase == PHASE_END) {
        memcpy(data + put, last_chunk, sizeof last_chunk - 1);
        put += sizeof last_chunk - 1;
        listing->next.phase++;
    }
    return (ssize_t)put;
}

ssize_t listing_piece(struct listing *listing, char *data, size_t size)
{
    if (listing->at.phase >= PHASE_END)
        return 0;
    ssize_t length = make_piece(listing, data, size);
    if (length == 0 && listing->next.phase < PHASE_END) {
        /* A line of which nothing is shown was longer than what one piece may read. */
        listing->at = listing->next;
        errno = EAGAIN;
        return -1;
    }
    if (length < 0)
        return -1;
    /* The file was replaced between two parts of a piece: its size has been announced. */
    if (listing->piece_sent > 0 && (size_t)length != listing->piece_length) {
        errno = EIO;
        return -1;
    }
    listing->piece_length = (size_t)length;
    memmove(data, data + listing->piece_sent, (size_t)length - listing->piece_sent);
    return length - (ssize_t)listing->piece_sent;
}

void listing_sent(struct listing *listing, size_t length)
{
    listing->piece_sent += length;
    if (listing->piece_sent < listing->piece_length)
        return;
    listing->at = listing->next;
    listing->piece_sent = 0;
}
