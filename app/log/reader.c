#include "log/reader.h"

#include "base/io.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void reader_start(struct reader *ret_reader, const struct log_snapshot *range, uint64_t tail)
{
    struct reader reader = {.range = *range};
    uint64_t count = tail < range->count ? tail : range->count;
    uint64_t fixed_width = (range->size - range->fixed_width_from) / LINE_LENGTH;
    assert(range->fixed_width_from <= range->size && fixed_width <= range->count);
    if (count <= fixed_width) {
        reader.offset = range->size - count * LINE_LENGTH;
    } else if (count < range->count) {
        /* One newline more than lines: the one before the first line. */
        reader.search_end = range->fixed_width_from;
        reader.search_left = count - fixed_width + 1;
    }
    reader.number = range->count - count + 1;
    *ret_reader = reader;
}

/* Searches one block of the file, back from `search_end`. Returns 0, or -1 with errno. */
static int search_block(struct reader *reader)
{
    char block[4096];
    uint64_t end = reader->search_end;
    size_t size = end < sizeof block ? (size_t)end : sizeof block;
    ssize_t got = read_at(reader->range.fd, block, size, (off_t)(end - size));
    if (got >= 0 && (size_t)got != size)
        errno = EIO; /* another process has shortened the file */
    if (got < 0 || (size_t)got != size)
        return -1;
    const char *newline = block + size;
    while ((newline = memrchr(block, '\n', (size_t)(newline - block)))) {
        if (--reader->search_left == 0) {
            reader->offset = end - size + (size_t)(newline + 1 - block);
            return 0;
        }
    }
    reader->search_end = end - size;
    if (reader->search_end > 0)
        return 0;
    errno = EIO; /* another process has changed the file */
    return -1;
}

int reader_seek(struct reader *reader)
{
    enum { BLOCKS_MAX = 16 };
    for (unsigned blocks = 0; reader->search_left > 0; blocks++) {
        if (blocks == BLOCKS_MAX)
            errno = EAGAIN;
        if (blocks == BLOCKS_MAX || search_block(reader) != 0)
            return -1;
    }
    return 0;
}

ssize_t reader_read(const struct reader *reader, uint64_t offset, char *block, size_t size)
{
    assert(offset < reader->range.size);
    uint64_t left = reader->range.size - offset;
    ssize_t got =
        read_at(reader->range.fd, block, left < size ? (size_t)left : size, (off_t)offset);
    if (got != 0)
        return got;
    errno = EIO;
    return -1;
}
