#include "list.h"

#include "base/io.h"
#include "base/text.h"
#include "die.h"
#include "log/scan.h"
#include "log/visit_log.h"
#include "site/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int list(const struct options *options)
{
    char path_buffer[4096], buffer[SCAN_BUFFER_SIZE];
    struct scan scan;
    struct reader reader;
    size_t rest;
    int sought;
    struct text path = text_begin(path_buffer, sizeof path_buffer);
    text_printf(&path, "%s/" VISITS_FILE, options->data_dir);
    errno = ENAMETOOLONG;
    int fd = path.overflowed ? -1 : open(path.data, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || scan_file(fd, &scan, buffer, &rest) != 0)
        die(EXIT_FAILED, "cannot read %s: %s; name its directory with --data-dir", path.data,
            strerror(errno));
    struct log_snapshot range = scan_snapshot(&scan, fd);
    reader_start(&reader, &range, options->tail);
    while ((sought = reader_seek(&reader)) != 0 && errno == EAGAIN)
        continue;
    if (sought != 0)
        die(EXIT_FAILED, "cannot read %s: %s", path.data, strerror(errno));
    struct row_position position = rows_start(&reader);
    while (!rows_at_end(&reader, &position)) {
        struct text rows = text_begin(buffer, sizeof buffer);
        if (rows_next(&reader, options->raw ? ROWS_RAW : ROWS_TEXT, &position, &rows) < 0)
            die(EXIT_FAILED, "cannot read %s: %s", path.data, strerror(errno));
        if (write_all(STDOUT_FILENO, rows.data, rows.length, NULL) != 0) {
            /* The reader has closed the pipe, as head(1) does: not a failure. */
            if (errno == EPIPE)
                return EXIT_OK;
            die(EXIT_FAILED, "cannot write: %s", strerror(errno));
        }
    }
    return EXIT_OK;
}
