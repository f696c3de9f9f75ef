/* The lines of visits.txt as rows of text, JSON or HTML. */
#ifndef ROWS_H
#define ROWS_H

#include "base/text.h"
#include "log/reader.h"

#include <stdbool.h>

enum row_format {
    ROWS_TEXT, /* as `cat -b` prints it: the number in six columns, a tab, the line */
    ROWS_RAW,  /* the line */
    ROWS_JSON, /* the objects of an array */
    ROWS_HTML, /* the rows of a table */
};

/* Members of the object of visit NUMBER, and its row; LINE begins with its timestamp. */
void row_json(struct text *text, uint64_t number, const char *line);
void row_html(struct text *text, uint64_t number, const char *line);

struct row_position {
    uint64_t offset; /* of the next bytes, in the file */
    uint64_t number; /* of the line there */
    bool mid_line;   /* a part of that line has been listed */
    bool after_row;  /* a row has been listed */
};

/* Where the first row begins; after reader_seek(). */
struct row_position rows_start(const struct reader *reader);

/* Appends the rows at *POSITION, as far as there is room for them, and moves it behind them.
 * Returns how many bytes it appended, which may be 0 before the end, since the rest of a long line
 * has no row in JSON and HTML; or -1 with errno as reader_read() sets it. Reads up to 16 blocks. */
ssize_t rows_next(const struct reader *reader, enum row_format format,
                  struct row_position *position, struct text *text);

/* Is there no row at POSITION? */
bool rows_at_end(const struct reader *reader, const struct row_position *position);

#endif
