#include "list.h"

#include "die.h"
#include "io.h"
#include "listing.h"
#include "scan.h"
#include "text.h"
#include "visits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int list(const struct options *options)
{
    char path_buffer[4096], buffer[SCAN_BUFFER_SIZE];
    struct scan scan;
    struct listing listing;
    size_t rest;
    ssize_t length;
    struct text path = text_begin(path_buffer, sizeof path_buffer);
    text_printf(&path, "%s/" VISITS_FILE, options->data_dir);
    errno = ENAMETOOLONG;
    int fd = path.overflowed ? -1 : open(path.data, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || scan_file(fd, &scan, buffer, &rest) != 0)
        die(EXIT_FAILED, "cannot read %s: %s; name its folder with --data-dir", path.data,
            strerror(errno));
    struct listing_range range = {fd, scan.in_long_line ? scan.good_offset : scan.offset,
                                  scan.in_long_line ? scan.good_count : scan.count, scan.irregular};
    if (range.uniform_from > range.size)
        range.uniform_from = range.size;
    listing_start(&listing, &range, options->raw ? LISTING_RAW : LISTING_TEXT, options->tail);
    while ((length = listing_piece(&listing, buffer, sizeof buffer)) != 0) {
        if (length < 0 && errno == EAGAIN)
            continue;
        if (length < 0)
            die(EXIT_FAILED, "cannot read %s: %s", path.data, strerror(errno));
        if (write_all(STDOUT_FILENO, buffer, (size_t)length, NULL) != 0) {
            /* A reader that wants only the first lines is no failure. */
            if (errno == EPIPE)
                return EXIT_OK;
            die(EXIT_FAILED, "cannot write: %s", strerror(errno));
        }
        listing_sent(&listing, (size_t)length);
    }
    return EXIT_OK;
}
