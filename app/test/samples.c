#include "samples.h"

#include <string.h>

uint64_t samples_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t put(char *at, size_t size, const char *text, size_t length)
{
    length = length < size ? length : size;
    memcpy(at, text, length);
    return length;
}

size_t samples_make(uint64_t *state, char *file, size_t size)
{
    static const char *const lines[] = {
        LINE_A,
        LINE_B,
        LINE_C,
        "2022-11-28 22:54:26+03:00\n",
        "2022-11-28 22:54:26.913511+03:00\r\n",
        "\n",
        "not a visit\n",
        "2022-11-28 22:54:26.913",
        "\r\n",
    };
    size_t length = 0, pieces = samples_next(state) % 12;
    for (size_t i = 0; i < pieces && length < size; i++) {
        uint64_t kind = samples_next(state) % 16;
        size_t count = samples_next(state) % 40;
        if (kind == 15) {
            /* Sometimes longer than any buffer of the program. */
            size_t fill = samples_next(state) % 5 == 0 ? 150000 : samples_next(state) % 10000;
            fill = fill < size - length ? fill : size - length;
            memset(file + length, samples_next(state) % 2 ? 0 : '#', fill);
            length += fill;
        } else if (kind < 9) {
            length += put(file + length, size - length, lines[kind], strlen(lines[kind]));
        } else {
            for (size_t j = 0; j < count; j++)
                length +=
                    put(file + length, size - length, lines[kind % 3], strlen(lines[kind % 3]));
        }
    }
    return length;
}
