#include "log/timestamp.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char shape[] = "0000-00-00 00:00:00.000000+00:00";
_Static_assert(sizeof shape - 1 == TIMESTAMP_LENGTH, "a timestamp has this length");

static void put_digits(char *at, int width, long number)
{
    while (width-- > 0) {
        at[width] = (char)('0' + number % 10);
        number /= 10;
    }
}

static int refresh(struct timestamp_cache *cache, time_t second)
{
    struct tm local;
    if (!localtime_r(&second, &local))
        return -1;
    if (local.tm_year < -1900 || local.tm_year > 9999 - 1900) {
        errno = EOVERFLOW;
        return -1;
    }
    long minutes = local.tm_gmtoff / 60;
    char *text = cache->text;
    memcpy(text, shape, TIMESTAMP_LENGTH);
    put_digits(text, 4, local.tm_year + 1900);
    put_digits(text + 5, 2, local.tm_mon + 1);
    put_digits(text + 8, 2, local.tm_mday);
    put_digits(text + 11, 2, local.tm_hour);
    put_digits(text + 14, 2, local.tm_min);
    put_digits(text + 17, 2, local.tm_sec);
    if (minutes < 0) {
        text[26] = '-';
        minutes = -minutes;
    }
    put_digits(text + 27, 2, minutes / 60);
    put_digits(text + 30, 2, minutes % 60);
    cache->second = second;
    cache->valid = true;
    return 0;
}

int timestamp_write(struct timestamp_cache *cache, const struct timespec *moment,
                    char *ret_timestamp)
{
    assert(moment->tv_nsec >= 0 && moment->tv_nsec < 1000000000);
    if ((!cache->valid || cache->second != moment->tv_sec) && refresh(cache, moment->tv_sec) != 0) {
        cache->valid = false;
        return -1;
    }
    memcpy(ret_timestamp, cache->text, TIMESTAMP_LENGTH);
    put_digits(ret_timestamp + 20, 6, moment->tv_nsec / 1000);
    return 0;
}

static uint64_t eight_bytes(const char *at)
{
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* A start checks every line of a file of millions. So this compares eight bytes at a time, without
 * a branch that depends on one of them. A byte must equal that of `shape`. Only a digit may differ,
 * in its lower four bits and by up to 9: then neither the difference nor the difference plus 6
 * reaches the upper four bits. */
bool timestamp_is_exact(const char *text)
{
    enum { SIGN = 26 };
    static const char fixed[] = "\xf0\xf0\xf0\xf0\xff\xf0\xf0\xff\xf0\xf0\xff\xf0\xf0\xff\xf0\xf0"
                                "\xff\xf0\xf0\xff\xf0\xf0\xf0\xf0\xf0\xf0\0\xf0\xf0\xff\xf0\xf0";
    _Static_assert(sizeof fixed - 1 == TIMESTAMP_LENGTH, "one mask byte for each byte");
    _Static_assert(TIMESTAMP_LENGTH % sizeof(uint64_t) == 0, "words of eight bytes cover it");
    uint64_t wrong = text[SIGN] != '+' && text[SIGN] != '-';
    for (size_t i = 0; i < TIMESTAMP_LENGTH; i += sizeof wrong) {
        uint64_t differs = eight_bytes(text + i) ^ eight_bytes(shape + i);
        uint64_t must_be_0 = eight_bytes(fixed + i);
        uint64_t six_at_digits = ~must_be_0 & 0x0606060606060606;
        wrong |= (differs | (differs + six_at_digits)) & must_be_0;
    }
    return wrong == 0;
}

bool timestamp_is_plausible(const char *line, size_t length)
{
    enum { SECONDS_LENGTH = 19, OFFSET_LENGTH = 6 };
    char full[TIMESTAMP_LENGTH];
    if (length > 0 && line[length - 1] == '\r')
        length--;
    if (length < SECONDS_LENGTH + OFFSET_LENGTH || length > TIMESTAMP_LENGTH)
        return false;
    size_t fraction = length - SECONDS_LENGTH - OFFSET_LENGTH;
    if (fraction == 1)
        return false;
    memcpy(full, shape, TIMESTAMP_LENGTH);
    memcpy(full, line, SECONDS_LENGTH + fraction);
    memcpy(full + TIMESTAMP_LENGTH - OFFSET_LENGTH, line + length - OFFSET_LENGTH, OFFSET_LENGTH);
    return timestamp_is_exact(full);
}
