#include "prove/baseline.h"

#include <string.h>

size_t line_hash_feed(struct line_hash *hash, const char *bytes, size_t length)
{
    uint64_t value = hash->so_far ? hash->so_far : UINT64_C(0xcbf29ce484222325);
    size_t taken = 0;
    bool at_end = false;
    while (taken < length && !at_end) {
        at_end = bytes[taken] == '\n';
        value = (value ^ (unsigned char)bytes[taken++]) * UINT64_C(0x100000001b3);
    }
    hash->so_far = value;
    if (at_end) {
        hash->hash = value;
        hash->lines++;
    }
    return taken;
}

void baseline_begin(struct baseline_maker *maker, struct baseline *ret_baseline)
{
    *maker = (struct baseline_maker){.baseline = ret_baseline, .stride = 1};
    *ret_baseline = (struct baseline){0};
}

enum { SPACED_MAX = MARKS_MAX / 2, RECENT = MARKS_MAX / 2 };

/* Keeps 32 to 64 marks, evenly spaced whatever the number of lines, and one of each recent line: an
 * older copy of a file is mostly not much older. */
static void put_mark(struct baseline_maker *maker)
{
    struct baseline *baseline = maker->baseline;
    struct mark mark = {.lines = maker->hash.lines, .hash = maker->hash.hash};
    maker->recent[mark.lines % RECENT] = mark;
    if (maker->hash.lines % maker->stride != 0)
        return;
    if (baseline->marks_count == SPACED_MAX) {
        for (unsigned i = 0; i < SPACED_MAX / 2; i++)
            baseline->marks[i] = baseline->marks[2 * i + 1];
        baseline->marks_count = SPACED_MAX / 2;
        maker->stride *= 2;
        if (maker->hash.lines % maker->stride != 0)
            return;
    }
    baseline->marks[baseline->marks_count++] = mark;
}

static void end_line(struct baseline_maker *maker)
{
    struct baseline *baseline = maker->baseline;
    char *text = maker->hash.lines == 1 ? baseline->first : baseline->last;
    struct moment moment;
    bool is_visit = maker->line_length == MOMENT_LENGTH && moment_parse(maker->line, &moment) == 0;
    text[0] = '\0';
    if (is_visit)
        memcpy(text, maker->line, MOMENT_LENGTH), text[MOMENT_LENGTH] = '\0';
    if (maker->hash.lines == 1)
        memcpy(baseline->last, baseline->first, sizeof baseline->last);
    maker->line_length = 0;
    baseline->lines = maker->hash.lines;
    put_mark(maker);
}

void baseline_feed(struct baseline_maker *maker, const char *bytes, size_t length)
{
    while (length > 0) {
        uint64_t lines = maker->hash.lines;
        size_t taken = line_hash_feed(&maker->hash, bytes, length);
        size_t content = taken - (maker->hash.lines > lines);
        size_t room =
            sizeof maker->line -
            (maker->line_length < sizeof maker->line ? maker->line_length : sizeof maker->line);
        memcpy(maker->line + sizeof maker->line - room, bytes, content < room ? content : room);
        maker->line_length += content;
        if (maker->hash.lines > lines)
            end_line(maker);
        bytes += taken;
        length -= taken;
    }
}

void baseline_end(struct baseline_maker *maker)
{
    struct baseline *baseline = maker->baseline;
    uint64_t first = baseline->lines > RECENT ? baseline->lines - RECENT + 1 : 1;
    while (baseline->marks_count > 0 && baseline->marks[baseline->marks_count - 1].lines >= first)
        baseline->marks_count--;
    for (uint64_t line = first; line <= baseline->lines; line++)
        baseline->marks[baseline->marks_count++] = maker->recent[line % RECENT];
    if (baseline->lines == 0)
        baseline->marks[baseline->marks_count++] = (struct mark){0};
    baseline->is_known = true;
}
