/* Fuzzes recovery with any file: no line that could be a visit is moved or lost, and no byte is
 * lost. Computes the expected result in the simplest way. Works in $TMPDIR, which should be in
 * memory. */
#include "log/recovery.h"
#include "base/io.h"
#include "demand.h"
#include "log/scan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bytes {
    char *data;
    size_t length;
};

/* The expected result for a file. */
struct wanted {
    size_t kept; /* bytes that stay; the others are moved */
    bool completed;
    uint64_t count, damaged;
    size_t fixed_width_from;
    bool loses_lines; /* damaged lines, from the end */
};

static struct wanted want(struct bytes file)
{
    struct wanted now = {0}, good = {0};
    size_t start = 0;
    for (size_t i = 0; i < file.length; i++) {
        if (file.data[i] != '\n')
            continue;
        const char *line = file.data + start;
        size_t length = i - start;
        bool plausible = timestamp_is_plausible(line, length);
        now.count++;
        now.damaged += !plausible;
        now.kept = start = i + 1;
        if (length != TIMESTAMP_LENGTH || !timestamp_is_exact(line))
            now.fixed_width_from = now.kept;
        if (plausible)
            good = now;
    }
    good.loses_lines = good.count < now.count;
    size_t rest = file.length - start;
    if (timestamp_is_plausible(file.data + start, rest)) {
        good = now;
        good.completed = true;
        good.count++;
        good.kept = file.length;
        if (rest != TIMESTAMP_LENGTH || !timestamp_is_exact(file.data + start))
            good.fixed_width_from = file.length + 1;
    }
    return good;
}

/* Makes the file. The first three bytes of the input choose which bytes are repeated, and where, so
 * that lines and damage also cross the end of the read buffer. */
static struct bytes make_file(const uint8_t *data, size_t size)
{
    static const char line[] = "2022-11-28 22:54:26.913511+03:00\n";
    size_t fill = 0, at = 0;
    uint8_t kind = size > 3 ? data[0] : 0;
    if (size > 3) {
        /* Rarely, since a long file takes long. */
        if ((kind & 0xe0) == 0xe0)
            fill = (1 + (kind & 1)) * SCAN_BUFFER_SIZE - 128 + data[1];
        at = (size - 3) * data[2] / 256;
        data += 3;
        size -= 3;
    }
    struct bytes file = {malloc(size + fill + 1), size + fill};
    demand(file.data != NULL, "there is memory");
    memcpy(file.data, data, at);
    for (size_t i = 0; i < fill; i++)
        file.data[at + i] = kind & 4 ? line[i % LINE_LENGTH] : kind & 8 ? '#' : '\0';
    memcpy(file.data + at + fill, data + at, size - at);
    return file;
}

static struct bytes read_file(int directory, const char *name)
{
    struct stat status;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    demand(fd >= 0 && fstat(fd, &status) == 0, "the file is there");
    struct bytes bytes = {malloc((size_t)status.st_size + 1), (size_t)status.st_size};
    demand(bytes.data && read_at(fd, bytes.data, bytes.length, 0) == (ssize_t)bytes.length,
           "the file can be read");
    (void)close(fd);
    return bytes;
}

static void demand_result(const struct recovery *result, struct wanted wanted)
{
    size_t size = wanted.kept + wanted.completed;
    demand(result->count == wanted.count, "the count is that of the newlines");
    demand(result->size == size, "the size is that of the whole lines");
    demand(result->fixed_width_from == wanted.fixed_width_from ||
               (wanted.loses_lines && result->fixed_width_from == size),
           "lines have a fixed width after the last one that has not");
}

static void demand_kept(struct bytes before, struct bytes after, struct wanted wanted)
{
    demand(after.length == wanted.kept + wanted.completed, "the expected number of bytes stays");
    demand(memcmp(after.data, before.data, wanted.kept) == 0, "the bytes that stay are unchanged");
    demand(after.length == 0 || after.data[after.length - 1] == '\n', "the end is a newline");
}

static void demand_torn(int directory, struct bytes before, const struct recovery *report,
                        struct wanted wanted)
{
    size_t torn = before.length - wanted.kept;
    demand(report->torn == torn, "the expected number of bytes is moved");
    demand(report->completed == wanted.completed, "a last line is completed as expected");
    demand(report->damaged == wanted.damaged, "the damaged lines are counted");
    if (torn == 0)
        return;
    struct bytes aside = read_file(directory, report->torn_name);
    demand(aside.length == torn && memcmp(aside.data, before.data + wanted.kept, torn) == 0,
           "the moved bytes are unchanged");
    free(aside.data);
    demand(unlinkat(directory, report->torn_name, 0) == 0, "it can be removed");
}

static int open_directory(void)
{
    const char *path = getenv("TMPDIR");
    int directory = open(path ? path : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    demand(directory >= 0, "there is a directory");
    return directory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int directory = -1;
    struct torn_files torn = {0};
    struct recovery result, again;
    if (directory < 0)
        directory = open_directory();
    struct bytes before = make_file(data, size);
    struct wanted wanted = want(before);
    int fd =
        openat(directory, VISITS_FILE, O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    demand(fd >= 0 && write_all(fd, before.data, before.length, NULL) == 0, "a file can be made");

    demand(recovery_run(directory, fd, &torn, &result) == 0, "any file can be repaired");
    demand_result(&result, wanted);
    demand_torn(directory, before, &result, wanted);
    struct bytes after = read_file(directory, VISITS_FILE);
    demand_kept(before, after, wanted);

    demand(recovery_run(directory, fd, &torn, &again) == 0, "any file can be repaired again");
    demand(again.count == result.count && again.size == result.size &&
               again.fixed_width_from == wanted.fixed_width_from && again.torn == 0 &&
               !again.completed && again.damaged == wanted.damaged,
           "a second repair finds nothing to do");
    struct bytes last = read_file(directory, VISITS_FILE);
    demand(last.length == after.length && memcmp(last.data, after.data, last.length) == 0,
           "a second repair changes nothing");
    (void)close(fd);
    free(before.data);
    free(after.data);
    free(last.data);
    return 0;
}
