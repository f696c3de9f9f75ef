#include "prove/journal.h"

#include "base/clock.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes one line without its newline. Returns NULL, or what is wrong with it. */
static const char *take_line(struct evidence *evidence, char *line, size_t length, uint64_t number)
{
    struct event event;
    if (number == 1)
        return length == sizeof LEDGER_HEAD - 1 && memcmp(line, LEDGER_HEAD, length) == 0
                   ? NULL
                   : "is not the first line of a ledger of this version";
    int parsed = ledger_parse(line, length, &event);
    if (parsed < 0)
        return "is not a line of a ledger";
    enum finding finding = parsed == 0 ? evidence_take(evidence, &event) : FOUND_NOTHING;
    return finding == FOUND_IMPOSSIBLE  ? "contradicts the lines before it"
           : finding == FOUND_NO_MEMORY ? "is too much: no memory"
                                        : NULL;
}

struct whole_lines {
    uint64_t number; /* of the last one */
    int64_t length;  /* of all */
};

/* Takes the whole lines of BYTES. Returns how many bytes that are, or 0 with what is wrong with the
 * next one in *RET_FAULT. */
static size_t take_lines(struct evidence *evidence, char *bytes, size_t length,
                         struct whole_lines *lines, const char **ret_fault)
{
    size_t taken = 0;
    char *newline;
    while ((newline = memchr(bytes + taken, '\n', length - taken))) {
        size_t line_length = (size_t)(newline - (bytes + taken));
        lines->number++;
        *ret_fault = take_line(evidence, bytes + taken, line_length, lines->number);
        if (*ret_fault)
            return 0;
        taken += line_length + 1;
        lines->length += (int64_t)line_length + 1;
    }
    return taken;
}

static const char *take_file(int fd, struct evidence *evidence, struct whole_lines *lines)
{
    char bytes[16384];
    const char *fault = NULL;
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, bytes + length, sizeof bytes - length)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return strerror(errno);
        length += (size_t)got;
        size_t taken = take_lines(evidence, bytes, length, lines, &fault);
        if (fault)
            return fault;
        if (taken == 0 && length == sizeof bytes) {
            lines->number++;
            return "is too long for a ledger";
        }
        memmove(bytes, bytes + taken, length - taken);
        length -= taken;
    }
    return NULL;
}

int journal_read(const char *path, struct evidence *evidence, int64_t *ret_length, char *message,
                 size_t size)
{
    struct whole_lines lines = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(message, size, "cannot read the ledger %s: %s", path, strerror(errno));
        return -1;
    }
    const char *fault = take_file(fd, evidence, &lines);
    (void)close(fd);
    if (lines.number == 0) {
        (void)snprintf(message, size, "%s is not a ledger: %s", path,
                       fault ? fault : "it is empty, or was torn in its first line");
        return -1;
    }
    if (fault)
        (void)snprintf(message, size, "%s: line %llu %s", path, (unsigned long long)lines.number,
                       fault);
    if (ret_length)
        *ret_length = lines.length;
    return fault ? -1 : 0;
}

static int resume_file(struct journal *journal, char *message, size_t size)
{
    int64_t length;
    if (journal_read(journal->path, journal->evidence, &length, message, size) != 0)
        return -1;
    journal->fd = open(journal->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (journal->fd >= 0 && ftruncate(journal->fd, length) == 0)
        return 0;
    (void)snprintf(message, size, "cannot write the ledger %s: %s", journal->path, strerror(errno));
    return -1;
}

/* The clock may have been set back since the run that is resumed. */
static void start_clock(struct journal *journal)
{
    int64_t now_us = clock_read_ns(CLOCK_REALTIME) / 1000;
    int64_t monotonic_us = clock_read_ns(CLOCK_MONOTONIC) / 1000;
    if (now_us < journal->evidence->end_us)
        now_us = journal->evidence->end_us;
    journal->clock_us = now_us - monotonic_us;
}

void journal_without_file(struct journal *journal, struct evidence *evidence)
{
    *journal = (struct journal){.fd = -1, .evidence = evidence};
    journal->text = text_begin(journal->buffer, sizeof journal->buffer);
    start_clock(journal);
}

int journal_open(struct journal *journal, const char *path, bool resume, struct evidence *evidence,
                 char *message, size_t size)
{
    struct stat status;
    *journal = (struct journal){.path = path, .fd = STDOUT_FILENO, .evidence = evidence};
    journal->text = text_begin(journal->buffer, sizeof journal->buffer);
    bool is_stdout = strcmp(path, "-") == 0;
    if (!is_stdout && resume && stat(path, &status) == 0) {
        if (resume_file(journal, message, size) != 0)
            return -1;
    } else {
        if (!is_stdout)
            journal->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
        if (journal->fd < 0) {
            bool exists = errno == EEXIST;
            (void)snprintf(message, size,
                           exists
                               ? "the ledger %s exists: go on with --resume, compare with --check, "
                                 "or name another with --ledger"
                               : "cannot create the ledger %s: %s",
                           path, strerror(errno));
            return exists ? 1 : -1;
        }
        text_string(&journal->text, LEDGER_HEAD "\n");
    }
    start_clock(journal);
    return 0;
}

int64_t journal_now_us(const struct journal *journal)
{
    return journal->clock_us + clock_read_ns(CLOCK_MONOTONIC) / 1000;
}

enum finding journal_note(struct journal *journal, struct event *event)
{
    if (event->time_us == 0)
        event->time_us = journal_now_us(journal);
    if (event->time_us < journal->evidence->end_us)
        event->time_us = journal->evidence->end_us;
    if (journal->text.size - journal->text.length < LEDGER_LINE_MAX)
        journal_flush(journal);
    ledger_write(&journal->text, event);
    return evidence_take(journal->evidence, event);
}

void journal_flush(struct journal *journal)
{
    if (journal->text.length > 0 && journal->fd >= 0 && !journal->error &&
        write_all(journal->fd, journal->text.data, journal->text.length, NULL) != 0)
        journal->error = errno;
    journal->text = text_begin(journal->buffer, sizeof journal->buffer);
}
