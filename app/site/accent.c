#include "site/accent.h"

#include <stdint.h>
#include <string.h>

/* Neighbours differ in lightness or between blue and yellow too, for those who see few colours. */
static const struct {
    char name[7], light[7], dark[7];
} colours[] = {
    {"blue", "1d5fc9", "8ab4ff"}, {"orange", "a34f08", "ffb066"}, {"teal", "0b6f66", "4fd1c0"},
    {"pink", "b5226c", "ff94c8"}, {"green", "3f7310", "9bd35c"},  {"violet", "6a3ec2", "c2a8ff"},
    {"red", "b0261c", "ff988a"},  {"grey", "55606c", "b7c2cd"},
};

static const struct {
    char name[8], path[26];
} shapes[] = {
    {"circle", "M16 1a15 15 0 1 0 .1 0z"},    {"square", "M2 2h28v28H2z"},
    {"hexagon", "M8 2h16l8 14-8 14H8L0 16z"}, {"diamond", "M16 0 32 16 16 32 0 16z"},
    {"shield", "M2 2h28v18L16 32 2 20z"},
};

struct accent accent_of(const char *pod)
{
    enum { COLOURS = sizeof colours / sizeof *colours, SHAPES = sizeof shapes / sizeof *shapes };
    struct accent accent = {0};
    size_t length = strlen(pod), base = length;
    unsigned ordinal = 0, scale = 1;
    uint32_t hash = 2166136261; /* FNV-1a */
    for (; base > 0 && length - base < 3 && pod[base - 1] >= '0' && pod[base - 1] <= '9'; base--) {
        ordinal += (unsigned)(pod[base - 1] - '0') * scale;
        scale *= 10;
    }
    if (base == 0 || base == length || pod[base - 1] != '-') {
        ordinal = 0;
        base = length;
    }
    for (size_t i = 0; i < base; i++)
        hash = (hash ^ (unsigned char)pod[i]) * 16777619;
    unsigned colour = (hash % COLOURS + ordinal) % COLOURS;
    unsigned shape = (hash / COLOURS % SHAPES + ordinal) % SHAPES;
    accent.name = colours[colour].name;
    accent.light = colours[colour].light;
    accent.dark = colours[colour].dark;
    accent.shape = shapes[shape].name;
    accent.path = shapes[shape].path;
    size_t mark = base < length ? base : length < 2 ? 0 : length - 2;
    memcpy(accent.mark, pod + mark, length - mark);
    return accent;
}
