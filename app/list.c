#include "list.h"

#include "base/io.h"
#include "base/text.h"
#include "die.h"
#include "log/reader.h"
#include "log/scan.h"
#include "site/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAUSE_MS = 200, /* between two looks at a file that is followed */
    ROW_MAX = 128,  /* bytes printed besides those of a line */
};

struct listing {
    const struct options *options;
    const char *path;
    int fd;
    uint64_t offset, number; /* of the next line */
    uint64_t count;          /* of the selected lines */
    bool in_long_line, is_chosen;
    struct text out;
    char out_buffer[65536];
};

static volatile sig_atomic_t is_stopped;

static void stop(int number)
{
    (void)number;
    is_stopped = 1;
}

static _Noreturn void die_unreadable(const char *path)
{
    die(EXIT_FAILED, "cannot read %s: %s; name its directory with --data-dir", path,
        strerror(errno));
}

/* A reader that has closed the pipe, as head(1) does, is not a failure. */
static void flush(struct listing *listing)
{
    if (write_all(STDOUT_FILENO, listing->out.data, listing->out.length, NULL) != 0) {
        if (errno == EPIPE)
            _exit(EXIT_OK);
        die(EXIT_FAILED, "cannot write: %s", strerror(errno));
    }
    listing->out = text_begin(listing->out_buffer, sizeof listing->out_buffer);
}

/* The times are compared as they stand in the file, so a shorter one stands for its beginning: with
 * "2026-11-28" a day begins. A line that does not begin with a time is in no span. */
static bool is_selected(const struct options *options, const char *line, size_t length)
{
    if (!options->since && !options->until)
        return true;
    if (!timestamp_is_plausible(line, length))
        return false;
    size_t since = options->since ? strlen(options->since) : 0;
    size_t until = options->until ? strlen(options->until) : 0;
    return strncmp(line, options->since ? options->since : "", since) >= 0 &&
           (!options->until || strncmp(line, options->until, until) < 0);
}

/* Prints a line, or a part of one that is longer than a block. */
static void put_part(struct listing *listing, const char *part, size_t length, bool is_begin,
                     bool is_end)
{
    const struct options *options = listing->options;
    struct text *out = &listing->out;
    if (out->size - out->length < length + ROW_MAX)
        flush(listing);
    if (options->json_lines && is_begin) {
        if (is_end && length == TIMESTAMP_LENGTH && timestamp_is_exact(part)) {
            text_string(out, "{");
            row_json(out, listing->number, part);
            text_string(out, "}\n");
        } else {
            text_printf(out, "{\"visit\": %llu, \"time\": null}\n",
                        (unsigned long long)listing->number);
        }
    }
    if (options->json_lines)
        return;
    if (!options->raw && is_begin)
        text_printf(out, "%6llu\t", (unsigned long long)listing->number);
    text_bytes(out, part, length);
    if (is_end)
        text_string(out, "\n");
}

static void take_part(struct listing *listing, const char *part, size_t length, bool is_end)
{
    bool is_begin = !listing->in_long_line;
    if (is_begin) {
        listing->is_chosen = is_selected(listing->options, part, length);
        listing->count += listing->is_chosen;
    }
    if (listing->is_chosen && !listing->options->count)
        put_part(listing, part, length, is_begin, is_end);
    listing->in_long_line = !is_end;
    listing->number += is_end;
}

/* Prints the complete lines from `offset` to END, or to the end of the file. */
static void put_lines(struct listing *listing, uint64_t end)
{
    char block[32768];
    while (listing->offset < end) {
        uint64_t left = end - listing->offset;
        ssize_t got = read_at(listing->fd, block, left < sizeof block ? (size_t)left : sizeof block,
                              (off_t)listing->offset);
        size_t taken = 0;
        const char *newline;
        if (got < 0)
            die_unreadable(listing->path);
        while ((newline = memchr(block + taken, '\n', (size_t)got - taken))) {
            take_part(listing, block + taken, (size_t)(newline - (block + taken)), true);
            taken = (size_t)(newline + 1 - block);
        }
        if (taken == 0 && (size_t)got == sizeof block) {
            take_part(listing, block, (size_t)got, false);
            taken = (size_t)got;
        }
        if (taken == 0) /* a line that is not complete yet */
            break;
        listing->offset += taken;
    }
    flush(listing);
}

/* Waits for a moment, or until the reader of stdout is gone or a signal comes. */
static void pause_listing(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    sigset_t none;
    sigemptyset(&none);
    if (ppoll(&out, 1, &pause, &none) > 0)
        is_stopped = 1;
}

static int open_file(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Opens the file that has the name now, if it is another one. */
static void reopen_if_replaced(struct listing *listing)
{
    struct stat ours, named;
    if (stat(listing->path, &named) != 0 || fstat(listing->fd, &ours) != 0)
        return; /* it is being replaced */
    if (is_same_file(&ours, &named)) {
        if ((uint64_t)named.st_size >= listing->offset)
            return;
        warn("%s was truncated; from its first line", listing->path);
    } else {
        int fd = open_file(listing->path);
        if (fd < 0)
            return;
        put_lines(listing, UINT64_MAX); /* what came before it was replaced */
        (void)close(listing->fd);
        listing->fd = fd;
        warn("%s was replaced; from the first line of the new file", listing->path);
    }
    listing->offset = 0;
    listing->number = 1;
    listing->in_long_line = false;
}

static void follow(struct listing *listing)
{
    while (!is_stopped) {
        put_lines(listing, UINT64_MAX);
        pause_listing();
        reopen_if_replaced(listing);
    }
}

/* SIGTERM and SIGINT end it as they end tail(1), but with 0: nothing has failed. */
static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

/* Opens the file and finds the first line. With --follow, waits for a file that is not there yet.
 */
static uint64_t begin(struct listing *listing)
{
    char buffer[SCAN_BUFFER_SIZE];
    struct scan scan;
    struct reader reader;
    size_t rest;
    int sought;
    listing->fd = open_file(listing->path);
    if (listing->fd < 0 && errno == ENOENT && listing->options->follow)
        warn("%s does not exist yet; waiting for it", listing->path);
    while (listing->fd < 0 && errno == ENOENT && listing->options->follow && !is_stopped) {
        pause_listing();
        listing->fd = open_file(listing->path);
    }
    if (is_stopped)
        _exit(EXIT_OK);
    if (listing->fd < 0 || scan_file(listing->fd, &scan, buffer, &rest) != 0)
        die_unreadable(listing->path);
    struct log_snapshot range = scan_snapshot(&scan, listing->fd);
    reader_start(&reader, &range, listing->options->tail);
    while ((sought = reader_seek(&reader)) != 0 && errno == EAGAIN)
        continue;
    if (sought != 0)
        die_unreadable(listing->path);
    listing->offset = reader.offset;
    listing->number = reader.number;
    return range.size;
}

int list(const struct options *options)
{
    static struct listing listing;
    char path_buffer[4096];
    struct text path = text_begin(path_buffer, sizeof path_buffer);
    text_printf(&path, "%s/" VISITS_FILE, options->data_dir);
    errno = ENAMETOOLONG;
    if (path.overflowed)
        die_unreadable(path.data);
    if (options->count && options->follow)
        die(EXIT_USAGE, "--count and --follow exclude each other; leave one of them out");
    if (options->raw && options->json_lines)
        die(EXIT_USAGE, "--raw and --json exclude each other; leave one of them out");
    listing = (struct listing){.options = options, .path = path.data};
    listing.out = text_begin(listing.out_buffer, sizeof listing.out_buffer);
    if (options->follow)
        handle_signals();
    put_lines(&listing, begin(&listing));
    if (options->follow)
        follow(&listing);
    if (options->count) {
        text_number(&listing.out, listing.count);
        text_string(&listing.out, "\n");
        flush(&listing);
    }
    return EXIT_OK;
}
