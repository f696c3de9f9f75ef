#include "log/zone.h"
#include "tap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fault_names[] = {
    [ZONE_OK] = "fine",
    [ZONE_UNKNOWN] = "not a TZ string",
    [ZONE_WITHOUT_RULES] = "without rules",
    [ZONE_SECONDS] = "an offset with seconds",
    [ZONE_FAR] = "an offset of a day or more",
    [ZONE_NEW_YEAR] = "misread by musl",
    [ZONE_FILE_DAMAGED] = "a damaged file",
    [ZONE_LEAP_SECONDS] = "with leap seconds",
};

static const struct {
    const char *text;
    enum zone_fault fault;
    long standard_s, daylight_s;
} strings[] = {
    {"UTC0", ZONE_OK, 0, 0},
    {"MSK-3", ZONE_OK, 10800, 10800},
    {"<+0330>-3:30", ZONE_OK, 12600, 12600},
    {"<ABCDEF>+03:30:00", ZONE_OK, -12600, -12600},
    {"EST5EDT,M3.2.0,M11.1.0", ZONE_OK, -18000, -14400},
    {"CET-1CEST,M3.5.0,M10.5.0/3", ZONE_OK, 3600, 7200},
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", ZONE_OK, 36000, 39600},
    {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", ZONE_OK, 37800, 39600},
    {"IST-1GMT0,M10.5.0,M3.5.0/1", ZONE_OK, 3600, 0},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", ZONE_OK, -7200, -3600},
    {"EET-2EEST,M3.4.4/50,M10.4.4/50", ZONE_OK, 7200, 10800},
    {"ABC3DEF,J60/-167,J300/167:59:59", ZONE_OK, -10800, -7200},
    {"ABC3DEF,59,300", ZONE_OK, -10800, -7200},
    {"XYZ23:59", ZONE_OK, -86340, -86340},
    {"XYZ-23:59XYW-23:58,J100,J200", ZONE_OK, 86340, 86280},
    {"", ZONE_UNKNOWN, 0, 0},
    {"MSK", ZONE_UNKNOWN, 0, 0},
    {"M-3", ZONE_UNKNOWN, 0, 0},
    {"<AB>-3", ZONE_UNKNOWN, 0, 0},
    {"ABCDEFG-3", ZONE_UNKNOWN, 0, 0},
    {"<ABCDEFG>-3", ZONE_UNKNOWN, 0, 0},
    {"<MSK-3", ZONE_UNKNOWN, 0, 0},
    {"<M_K>-3", ZONE_UNKNOWN, 0, 0},
    {"MSK-25", ZONE_UNKNOWN, 0, 0},
    {"MSK-0003", ZONE_UNKNOWN, 0, 0},
    {"MSK-3:6", ZONE_UNKNOWN, 0, 0},
    {"MSK-3:60", ZONE_UNKNOWN, 0, 0},
    {"MSK-3:00:00:00", ZONE_UNKNOWN, 0, 0},
    {"MSK-3 ", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.2.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.2.0,M11.1.0,", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.2.0,M11.1.0/168", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.2.0/,M11.1.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M0.2.0,M11.1.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M13.2.0,M11.1.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.0.0,M11.1.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.6.0,M11.1.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.2.7,M11.1.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,M3.2,M11.1.0", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,J0,J100", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,J366,J100", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,366,100", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT,J0000000000000000000100,J300", ZONE_UNKNOWN, 0, 0},
    {"EST5EDT4,", ZONE_UNKNOWN, 0, 0},
    {"CET-1CEST", ZONE_WITHOUT_RULES, 0, 0},
    {"CET-1CEST-2", ZONE_WITHOUT_RULES, 0, 0},
    {"<+0330>-3:30:30", ZONE_SECONDS, 0, 0},
    {"CET-1CEST-2:00:01,M3.5.0,M10.5.0/3", ZONE_SECONDS, 0, 0},
    {"LMT-2:30:17MSK,M3.5.0,M10.5.0", ZONE_SECONDS, 0, 0},
    {"XYZ24", ZONE_FAR, 0, 0},
    {"XYZ-24:59", ZONE_FAR, 0, 0},
    {"XYZ-23:30XYW,M3.5.0,M10.5.0", ZONE_FAR, 0, 0},
    /* All year is daylight saving time. musl then has some hours of standard time at New Year. */
    {"EST5EDT,0/0,J365/25", ZONE_NEW_YEAR, 0, 0},
    {"XXX3EDT4,0/0,J365/23", ZONE_NEW_YEAR, 0, 0},
    {"ABC-12DEF,J1,J100", ZONE_NEW_YEAR, 0, 0},
    {"ABC-12DEF,J1/14,J100", ZONE_OK, 43200, 46800},
    {"ABC0DEF,J1/0,J100", ZONE_NEW_YEAR, 0, 0},
    {"ABC0DEF,J1/0:00:01,J100", ZONE_OK, 0, 3600},
    {"ABC12DEF,J100,J365/12:59:59", ZONE_OK, -43200, -39600},
    {"ABC12DEF,J100,J365/13", ZONE_NEW_YEAR, 0, 0},
    {"ABC3DEF,100,365", ZONE_NEW_YEAR, 0, 0},
    {"ABC3DEF,100,364", ZONE_OK, -10800, -7200},
    {"ABC3DEF,M1.1.0/-24,M6.1.0", ZONE_NEW_YEAR, 0, 0},
    {"ABC3DEF,M6.1.0,M12.5.6", ZONE_OK, -10800, -7200},
    {"ABC3DEF,M6.1.0,M12.5.6/24", ZONE_NEW_YEAR, 0, 0},
    /* The order of the changes depends on the year, or on the clock. */
    {"ABC3DEF,M3.2.0,M3.2.1", ZONE_NEW_YEAR, 0, 0},
    {"ABC3DEF,J60,59/12", ZONE_NEW_YEAR, 0, 0},
    {"ABC3DEF-20,J100,J100/20", ZONE_NEW_YEAR, 0, 0},
    {"ABC3DEF,J100,J100", ZONE_NEW_YEAR, 0, 0},
};

static void expect_strings(void)
{
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        long standard_s = 0, daylight_s = 0;
        enum zone_fault fault = zone_string_check(strings[i].text, &standard_s, &daylight_s);
        ok(fault == strings[i].fault && standard_s == strings[i].standard_s &&
               daylight_s == strings[i].daylight_s,
           "%s is %s", strings[i].text, fault_names[strings[i].fault]);
    }
}

enum { FILE_MAX = 4096 };

/* The values of a compiled zone file; compile() makes its bytes. */
struct file {
    const char *footer;
    unsigned char version;
    unsigned leaps, changes;
    long long times[3];
    unsigned index[3];
    unsigned types;
    struct {
        long offset_s;
        unsigned daylight, name;
    } type[2];
};

static size_t put(unsigned char *at, unsigned size, long long number)
{
    for (unsigned i = size; i-- > 0; number >>= 8)
        at[i] = (unsigned char)number;
    return size;
}

/* Writes FILE into BYTES. The first block is empty, as in slim files (zic(8), -b slim). Returns the
 * length. */
static size_t compile(const struct file *file, unsigned char *bytes)
{
    enum { HEADER = 44, NAMES = 8 };
    unsigned char *p = bytes;
    memset(bytes, 0, FILE_MAX);
    for (int block = 0; block < 2; block++) {
        memcpy(p, "TZif", 4);
        p[4] = file->version;
        if (block == 1) {
            put(p + 28, 4, file->leaps);
            put(p + 32, 4, file->changes);
            put(p + 36, 4, file->types);
            put(p + 40, 4, NAMES);
        }
        p += HEADER;
    }
    for (unsigned i = 0; i < file->changes; i++)
        p += put(p, 8, file->times[i]);
    for (unsigned i = 0; i < file->changes; i++)
        p += put(p, 1, file->index[i]);
    for (unsigned i = 0; i < file->types; i++) {
        p += put(p, 4, file->type[i].offset_s);
        p += put(p, 1, file->type[i].daylight);
        p += put(p, 1, file->type[i].name);
    }
    memcpy(p, "STD\0DST", NAMES);
    p += NAMES + file->leaps * 12;
    return (size_t)(p - bytes) +
           (size_t)sprintf((char *)p, "\n%s\n", file->footer ? file->footer : "");
}

static enum zone_fault check_copy(const unsigned char *bytes, size_t size)
{
    /* Of exactly its size, so that the sanitizer detects an access past it. */
    unsigned char *copy = malloc(size + (size == 0));
    if (!copy)
        return ZONE_UNKNOWN;
    memcpy(copy, bytes, size);
    enum zone_fault fault = zone_file_check(copy, size);
    free(copy);
    return fault;
}

#define PAST 100000000      /* 1973 */
#define FUTURE 4000000000LL /* 2096 */
#define RULES "STD-1DST,M3.5.0,M10.5.0/3"
#define TWO_TYPES .types = 2, .type = {{3600, 0, 0}, {7200, 1, 4}}

static const struct {
    const char *what;
    enum zone_fault fault;
    struct file file;
} files[] = {
    {"two changes and rules", ZONE_OK, {RULES, '2', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"version 3",
     ZONE_OK,
     {"STD-1DST,M3.5.0/-1,M10.5.0/167", '3', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"version 4", ZONE_OK, {RULES, '4', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"version 1, which musl does not expect",
     ZONE_FILE_DAMAGED,
     {RULES, 0, 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"no change", ZONE_OK, {"STD-1", '2', .types = 1, .type = {{3600, 0, 0}}}},
    {"no change and no rule", ZONE_OK, {NULL, '2', .types = 1, .type = {{3600, 0, 0}}}},
    {"no change, but rules, which musl ignores", ZONE_FILE_DAMAGED, {RULES, '2', TWO_TYPES}},
    {"no change, and another offset in the rule",
     ZONE_FILE_DAMAGED,
     {"STD-2", '2', .types = 1, .type = {{3600, 0, 0}}}},
    {"changes and no rule, which musl reads as UTC",
     ZONE_FILE_DAMAGED,
     {NULL, '2', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"an offset in the rule that is not that of the last change",
     ZONE_FILE_DAMAGED,
     {"STD-5", '2', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"an invalid rule", ZONE_FILE_DAMAGED, {"STD", '2', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"a rule of two lines",
     ZONE_FILE_DAMAGED,
     {"STD-1\nSTD-1", '2', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"a rule about New Year",
     ZONE_NEW_YEAR,
     {"STD-1DST,0/0,J365/25", '2', 0, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"leap seconds", ZONE_LEAP_SECONDS, {RULES, '2', 1, 2, {PAST, PAST + 1}, {1, 0}, TWO_TYPES}},
    {"no type", ZONE_FILE_DAMAGED, {"STD-1", '2', .types = 0}},
    {"a change to a type that does not exist",
     ZONE_FILE_DAMAGED,
     {RULES, '2', 0, 2, {PAST, PAST + 1}, {2, 0}, TWO_TYPES}},
    {"a type with a name that does not exist",
     ZONE_FILE_DAMAGED,
     {"STD-1", '2', .types = 1, .type = {{3600, 0, 8}}}},
    {"changes out of order",
     ZONE_FILE_DAMAGED,
     {RULES, '2', 0, 2, {PAST, PAST}, {1, 0}, TWO_TYPES}},
    {"seconds in an offset of long ago",
     ZONE_OK,
     {"STD-1", '2', 0, 2, {-PAST, PAST}, {1, 0}, .types = 2, .type = {{3600, 0, 0}, {9017, 0, 4}}}},
    {"seconds in an offset in force",
     ZONE_SECONDS,
     {"STD-1",
      '2',
      0,
      2,
      {PAST, FUTURE},
      {1, 0},
      .types = 2,
      .type = {{3600, 0, 0}, {9017, 0, 4}}}},
    {"seconds in an offset of the future",
     ZONE_SECONDS,
     {"STD-1",
      '2',
      0,
      3,
      {PAST, FUTURE, FUTURE + 1},
      {0, 1, 0},
      .types = 2,
      .type = {{3600, 0, 0}, {9017, 0, 4}}}},
    {"seconds in the only offset", ZONE_SECONDS, {NULL, '2', .types = 1, .type = {{3601, 0, 0}}}},
    {"seconds in the first offset, which is in force",
     ZONE_SECONDS,
     {"STD-1",
      '2',
      0,
      2,
      {FUTURE, FUTURE + 1},
      {1, 1},
      .types = 2,
      .type = {{9017, 0, 0}, {3600, 0, 4}}}},
    {"an offset of a day", ZONE_FAR, {NULL, '2', .types = 1, .type = {{-86400, 0, 0}}}},
    {"one change in the future, before which musl uses the rule",
     ZONE_FILE_DAMAGED,
     {"STD-1", '2', 0, 1, {FUTURE}, {0}, TWO_TYPES}},
    {"a first change in the future, from standard time",
     ZONE_OK,
     {RULES, '2', 0, 2, {FUTURE, FUTURE + 1}, {1, 0}, TWO_TYPES}},
    {"a first change in the future, from daylight saving time",
     ZONE_FILE_DAMAGED,
     {"STD-1",
      '2',
      0,
      2,
      {FUTURE, FUTURE + 1},
      {0, 1},
      .types = 2,
      .type = {{7200, 1, 4}, {3600, 0, 0}}}},
};

static void expect_files(void)
{
    unsigned char bytes[FILE_MAX];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        same(check_copy(bytes, compile(&files[i].file, bytes)), files[i].fault,
             "a file with %s is %s", files[i].what, fault_names[files[i].fault]);
}

static void expect_no_damage_passes(void)
{
    unsigned char bytes[FILE_MAX];
    size_t size = compile(&files[0].file, bytes);
    bool none = true;
    for (size_t length = 0; length < size; length++)
        none = none && check_copy(bytes, length) == ZONE_FILE_DAMAGED;
    ok(none, "every proper prefix of a file is refused");
    bytes[size] = '\n';
    same(check_copy(bytes, size + 1), ZONE_FILE_DAMAGED,
         "a file with an additional byte is refused");
    /* The sanitizers detect whether any of these leads to an access outside the file. */
    for (size_t i = 0; i < size; i++)
        for (unsigned other = 1; other < 256; other++) {
            bytes[i] ^= (unsigned char)other;
            (void)check_copy(bytes, size);
            bytes[i] ^= (unsigned char)other;
        }
    static const unsigned char huge[] = {0xff, 0xff, 0xff, 0xff};
    none = true;
    for (size_t count = 20; count < 44; count += sizeof huge) {
        for (size_t block = 0; block <= 44; block += 44) {
            size = compile(&files[0].file, bytes);
            memcpy(bytes + block + count, huge, sizeof huge);
            none = none && check_copy(bytes, size) == ZONE_FILE_DAMAGED;
        }
    }
    ok(none, "a file with a count that goes past its end is refused");
}

void test_zone(void)
{
    expect_strings();
    expect_files();
    expect_no_damage_passes();
}
