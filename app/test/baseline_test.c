#include "prove/baseline.h"

#include "samples.h"
#include "tap.h"

#include <string.h>

enum { FILE_MAX = 120000 };

/* By definition, over the first LINES lines; 0 for none. */
static uint64_t hash_of(const char *file, uint64_t lines)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    if (lines == 0)
        return 0;
    for (; lines > 0; file++) {
        hash ^= (unsigned char)*file;
        hash *= UINT64_C(1099511628211);
        lines -= *file == '\n';
    }
    return hash;
}

/* In pieces of up to MOST bytes; 0: in one. */
static void make(const char *file, size_t length, uint64_t most, struct baseline *ret_baseline)
{
    struct baseline_maker maker;
    uint64_t state = 17 + most;
    baseline_begin(&maker, ret_baseline);
    while (length > 0) {
        size_t piece = most ? (size_t)(samples_next(&state) % most + 1) : length;
        piece = piece < length ? piece : length;
        baseline_feed(&maker, file, piece);
        file += piece;
        length -= piece;
    }
    baseline_end(&maker);
}

static bool is_right(const char *file, uint64_t lines, const struct baseline *baseline)
{
    uint64_t before = 0, widest = 0;
    if (!baseline->is_known || baseline->lines != lines || baseline->marks_count < 1 ||
        baseline->marks_count > MARKS_MAX + 1)
        return false;
    for (unsigned i = 0; i < baseline->marks_count; i++) {
        const struct mark *mark = &baseline->marks[i];
        if ((i > 0 && mark->lines <= before) || mark->hash != hash_of(file, mark->lines))
            return false;
        widest = mark->lines - before > widest ? mark->lines - before : widest;
        before = mark->lines;
    }
    /* Each of the last lines has a mark. */
    for (unsigned i = 0; i < MARKS_MAX / 2 && i < lines; i++)
        if (baseline->marks[baseline->marks_count - 1 - i].lines != lines - i)
            return false;
    return before == lines && widest <= lines / (MARKS_MAX / 4) + 1;
}

static size_t repeat(char *file, const char *line, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        memcpy(file + strlen(line) * i, line, strlen(line));
    return strlen(line) * count;
}

void test_baseline(void)
{
    static char file[FILE_MAX];
    static struct baseline whole, pieces;
    static const unsigned counts[] = {0,  1,  2,   31,  32,  33,  63,   64,
                                      65, 66, 127, 128, 129, 200, 1000, 3000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t length = repeat(file, LINE_A, counts[i]);
        if (counts[i] > 1)
            memcpy(file + length - strlen(LINE_C), LINE_C, strlen(LINE_C));
        make(file, length, 0, &whole);
        ok(is_right(file, counts[i], &whole),
           "of %u lines the marks are evenly spaced, with one of each of the last, and right",
           counts[i]);
        same_bytes(whole.first, strlen(whole.first), LINE_A, counts[i] > 0 ? 32 : 0,
                   "the first line is kept");
        same_bytes(whole.last, strlen(whole.last), counts[i] > 1 ? LINE_C : LINE_A,
                   counts[i] > 0 ? 32 : 0, "and the last");
    }
    uint64_t state = 1;
    unsigned wrong = 0;
    for (unsigned round = 0; round < 60; round++) {
        size_t length = samples_make(&state, file, round % 3 ? 5000 : sizeof file);
        uint64_t lines = 0;
        for (size_t i = 0; i < length; i++)
            lines += file[i] == '\n';
        make(file, length, 0, &whole);
        make(file, length, round % 2 ? 7 : 1000, &pieces);
        wrong += !is_right(file, lines, &whole) || !is_right(file, lines, &pieces) ||
                 whole.marks_count != pieces.marks_count ||
                 strcmp(whole.first, pieces.first) != 0 || strcmp(whole.last, pieces.last) != 0;
    }
    same(wrong, 0, "whatever the lines and the pieces are, the marks are the same and right");
    make("x\n" LINE_A LINE_B "2022", 2 + 33 + 33 + 4, 3, &whole);
    ok(whole.lines == 3 && *whole.first == '\0' && memcmp(whole.last, LINE_B, 32) == 0,
       "a first line that is no time is not kept, and the bytes after the last newline are no "
       "line");
    make(LINE_A "2022-11-28 22:54:26.913511+03:00 \n", 33 + 34, 0, &whole);
    ok(whole.lines == 2 && *whole.last == '\0', "nor is a last one that is longer than a time");
}
