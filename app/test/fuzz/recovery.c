/* The repair at start-up, on any file: no line that could be a visit's is moved or lost, and no
 * byte at all disappears. What it should find is worked out here in the plainest way. Works in
 * $TMPDIR, which should be in memory. */
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

/* What is wanted of a file. */
struct wanted {
    size_t kept; /* bytes that stay where they are; the others are moved aside */
    bool completed;
    uint64_t count, damaged;
    size_t fixed_width_from;
    bool loses_lines; /* of damage, off the end */
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

/* The file of the input: its first three bytes say what is repeated where in the others, so that
 * lines and damage also cross the ends of the buffer that they are read into. */
static struct bytes make_file(const uint8_t *data, size_t size)
{
    static const char line[] = "2022-11-28 22:54:26.913511+03:00\n";
    size_t fill = 0, at = 0;
    uint8_t kind = size > 3 ? data[0] : 0;
    if (size > 3) {
        /* Seldom: a long file takes its time. */
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

static struct bytes read_file(int folder, const char *name)
{
    struct stat status;
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    demand(file >= 0 && fstat(file, &status) == 0, "the file is there");
    struct bytes bytes = {malloc((size_t)status.st_size + 1), (size_t)status.st_size};
    demand(bytes.data && read_at(file, bytes.data, bytes.length, 0) == (ssize_t)bytes.length,
           "the file can be read");
    (void)close(file);
    return bytes;
}

static void demand_result(const struct recovery *result, struct wanted wanted)
{
    size_t size = wanted.kept + wanted.completed;
    demand(result->count == wanted.count, "the count is that of the newlines");
    demand(result->size == size, "the size is that of the whole lines");
    demand(result->fixed_width_from == wanted.fixed_width_from ||
               (wanted.loses_lines && result->fixed_width_from == size),
           "lines are uniform from behind the last that is not");
}

static void demand_kept(struct bytes before, struct bytes after, struct wanted wanted)
{
    demand(after.length == wanted.kept + wanted.completed, "as much stays as should");
    demand(memcmp(after.data, before.data, wanted.kept) == 0, "what stays is as it was");
    demand(after.length == 0 || after.data[after.length - 1] == '\n', "the end is a newline");
}

static void demand_torn(int folder, struct bytes before, const struct recovery *report,
                        struct wanted wanted)
{
    size_t torn = before.length - wanted.kept;
    demand(report->torn == torn, "as much is moved aside as should");
    demand(report->completed == wanted.completed, "a last line is completed when it should");
    demand(report->damaged == wanted.damaged, "the damaged lines are counted");
    if (torn == 0)
        return;
    struct bytes aside = read_file(folder, report->torn_name);
    demand(aside.length == torn && memcmp(aside.data, before.data + wanted.kept, torn) == 0,
           "what is moved aside is as it was");
    free(aside.data);
    demand(unlinkat(folder, report->torn_name, 0) == 0, "it can be removed");
}

static int open_folder(void)
{
    const char *path = getenv("TMPDIR");
    int folder = open(path ? path : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    demand(folder >= 0, "there is a folder");
    return folder;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int folder = -1;
    struct torn_files torn = {0};
    struct recovery result, again;
    if (folder < 0)
        folder = open_folder();
    struct bytes before = make_file(data, size);
    struct wanted wanted = want(before);
    int file = openat(folder, VISITS_FILE, O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    demand(file >= 0 && write_all(file, before.data, before.length, NULL) == 0,
           "a file can be made");

    demand(recovery_run(folder, file, &torn, &result) == 0, "any file can be repaired");
    demand_result(&result, wanted);
    demand_torn(folder, before, &result, wanted);
    struct bytes after = read_file(folder, VISITS_FILE);
    demand_kept(before, after, wanted);

    demand(recovery_run(folder, file, &torn, &again) == 0, "and repaired again");
    demand(again.count == result.count && again.size == result.size &&
               again.fixed_width_from == wanted.fixed_width_from && again.torn == 0 &&
               !again.completed && again.damaged == wanted.damaged,
           "a second repair finds nothing to do");
    struct bytes last = read_file(folder, VISITS_FILE);
    demand(last.length == after.length && memcmp(last.data, after.data, last.length) == 0,
           "and changes nothing");
    (void)close(file);
    free(before.data);
    free(after.data);
    free(last.data);
    return 0;
}
