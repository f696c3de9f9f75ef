#include "log/zone.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* 2000-01-01 00:00:00 UTC. Visits are later, so earlier times are not checked: old local times had
 * offsets with seconds, even in zones that are valid today. */
#define SINCE 946684800

enum { HEADER_SIZE = 44, TYPE_SIZE = 6, FOOTER_MAX = 127 };

/* A header and the data block after it. Its transition times have 4 or 8 bytes each. */
struct block {
    uint32_t leaps, times, types, characters;
    const unsigned char *time, *index, *type, *character, *end;
};

static uint32_t number_at(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t time_at(const struct block *block, uint32_t i)
{
    const unsigned char *p = block->time + (size_t)i * 8;
    return (int64_t)((uint64_t)number_at(p) << 32 | number_at(p + 4));
}

/* Finds the block at BYTES; its transition times have TIME_SIZE bytes. Returns false unless the
 * whole block is within the SIZE bytes. */
static bool find_block(const unsigned char *bytes, size_t size, unsigned time_size,
                       struct block *ret_block)
{
    if (size < HEADER_SIZE || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2')
        return false;
    struct block block = {.leaps = number_at(bytes + 28),
                          .times = number_at(bytes + 32),
                          .types = number_at(bytes + 36),
                          .characters = number_at(bytes + 40)};
    uint64_t length = (uint64_t)block.times * (time_size + 1) + (uint64_t)block.types * TYPE_SIZE +
                      block.characters + (uint64_t)block.leaps * (time_size + 4) +
                      number_at(bytes + 24) + number_at(bytes + 20);
    if (length > size - HEADER_SIZE)
        return false;
    block.time = bytes + HEADER_SIZE;
    block.index = block.time + (size_t)block.times * time_size;
    block.type = block.index + block.times;
    block.character = block.type + (size_t)block.types * TYPE_SIZE;
    block.end = block.time + length;
    *ret_block = block;
    return true;
}

/* Checks what musl does not check: each index is within its table, and the times ascend. */
static bool is_sound(const struct block *block)
{
    if (block->types == 0 || block->characters == 0 || block->character[block->characters - 1])
        return false;
    for (uint32_t i = 0; i < block->types; i++) {
        const unsigned char *type = block->type + (size_t)i * TYPE_SIZE;
        if (type[4] > 1 || type[5] >= block->characters)
            return false;
    }
    for (uint32_t i = 0; i < block->times; i++)
        if (block->index[i] >= block->types ||
            (i > 0 && time_at(block, i - 1) >= time_at(block, i)))
            return false;
    /* Before the first change musl uses the rules if there is only one change. It does not always
     * use the first type if that is daylight saving time. */
    return block->times == 0 || time_at(block, 0) <= SINCE ||
           (block->times > 1 && block->type[4] == 0);
}

static long offset_of(const struct block *block, unsigned type)
{
    return (int32_t)number_at(block->type + (size_t)type * TYPE_SIZE);
}

static enum zone_fault check_offsets(const struct block *block)
{
    enum zone_fault fault = ZONE_OK;
    if (block->times == 0 || time_at(block, 0) > SINCE)
        fault = zone_offset_check(offset_of(block, 0));
    for (uint32_t i = 0; i < block->times && fault == ZONE_OK; i++)
        if (i + 1 == block->times || time_at(block, i + 1) > SINCE)
            fault = zone_offset_check(offset_of(block, block->index[i]));
    return fault;
}

/* Checks the TZ string in the LENGTH bytes, which applies after the last change. musl reads an
 * empty string as UTC, and ignores the string if there are no changes. */
static enum zone_fault check_footer(const unsigned char *bytes, size_t length,
                                    const struct block *block)
{
    char text[FOOTER_MAX + 1];
    long standard_s, daylight_s;
    if (length < 2 || length - 2 > FOOTER_MAX || bytes[0] != '\n' || bytes[length - 1] != '\n')
        return ZONE_FILE_DAMAGED;
    if (length == 2)
        return block->times == 0 ? ZONE_OK : ZONE_FILE_DAMAGED;
    memcpy(text, bytes + 1, length - 2);
    text[length - 2] = '\0';
    enum zone_fault fault = strlen(text) == length - 2
                                ? zone_string_check(text, &standard_s, &daylight_s)
                                : ZONE_UNKNOWN;
    if (fault != ZONE_OK)
        return fault == ZONE_UNKNOWN ? ZONE_FILE_DAMAGED : fault;
    long last_s = offset_of(block, block->times ? block->index[block->times - 1] : 0);
    bool agrees = block->times ? last_s == standard_s || last_s == daylight_s
                               : last_s == standard_s && last_s == daylight_s;
    return agrees ? ZONE_OK : ZONE_FILE_DAMAGED;
}

/* musl uses the second block of any file, even of version 1, which has none. It looks for the
 * footer from the end of the file. */
enum zone_fault zone_file_check(const unsigned char *bytes, size_t size)
{
    struct block old, block;
    if (!find_block(bytes, size, 4, &old) ||
        !find_block(old.end, size - (size_t)(old.end - bytes), 8, &block))
        return ZONE_FILE_DAMAGED;
    if (block.leaps > 0)
        return ZONE_LEAP_SECONDS;
    if (!is_sound(&block))
        return ZONE_FILE_DAMAGED;
    enum zone_fault fault = check_offsets(&block);
    return fault != ZONE_OK ? fault
                            : check_footer(block.end, size - (size_t)(block.end - bytes), &block);
}
