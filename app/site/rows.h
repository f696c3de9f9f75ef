/* The lines of visits.txt as rows of text, JSON, CSV or HTML. */
#ifndef ROWS_H
#define ROWS_H

#include "base/text.h"
#include "log/reader.h"

#include <stdbool.h>

enum row_format {
    ROWS_TEXT, /* as `cat -b` prints it: the number in six columns, a tab, the line */
    ROWS_RAW,  /* the line */
    ROWS_JSON, /* the objects of an array */
    ROWS_CSV,  /* the number, a comma, the time; no time if the line is not a visit */
    ROWS_HTML, /* the rows of a table, by rows_newest_first() only */
};

/* Append the members of the JSON object, or the HTML row, of visit NUMBER. LINE begins with its
 * timestamp. */
void row_json(struct text *text, uint64_t number, const char *line);
void row_html(struct text *text, uint64_t number, const char *line);

struct row_position {
    uint64_t offset; /* of the next bytes in the file */
    uint64_t number; /* of the line at `offset` */
    bool mid_line;   /* a part of that line has been listed already */
    bool after_row;  /* a row has been listed already */
};

/* Returns the position of the first row. To be called after reader_seek() has returned 0. */
struct row_position rows_start(const struct reader *reader);

/* Appends the rows at *POSITION that fit, and moves *POSITION after them. Reads up to 64 KiB.
 * Returns the number of bytes appended, or -1 with the errno of reader_read(). The number may be 0
 * before the end: the rest of a long line has no row in JSON and HTML. */
ssize_t rows_next(const struct reader *reader, enum row_format format,
                  struct row_position *position, struct text *text);

/* Appends the rows of a table: the lines before *POSITION, the newest first, as many as fit, down
 * to that with the number LAST. POSITION is the end of a line, and that line's number; moves it to
 * the next one. Reads up to 64 KiB. Returns as rows_next(). */
ssize_t rows_newest_first(const struct reader *reader, uint64_t last, struct row_position *position,
                          struct text *text);

/* Is POSITION after the last row? */
bool rows_at_end(const struct reader *reader, const struct row_position *position);

#endif
