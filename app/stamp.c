#include "stamp.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where musl looks for compiled zones, in its order. */
static const char *const zone_folders[] = {"/usr/share/zoneinfo", "/share/zoneinfo",
                                           "/etc/zoneinfo"};

static bool is_zone_file(const char *path)
{
    char magic[4];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool found = read(file, magic, sizeof magic) == sizeof magic && memcmp(magic, "TZif", 4) == 0;
    (void)close(file);
    return found;
}

/* [+-]H[H[H]][:MM[:SS]], at most 24 hours for an offset and 167 for a rule's time (RFC 9636). */
static const char *skip_time(const char *p, long hours_max)
{
    char *end;
    if (*p == '+' || *p == '-')
        p++;
    if (!isdigit((unsigned char)*p) || strtol(p, &end, 10) > hours_max || end - p > 3)
        return NULL;
    for (int part = 0; part < 2 && *end == ':'; part++) {
        if (!isdigit((unsigned char)end[1]) || !isdigit((unsigned char)end[2]) || end[1] > '5')
            return NULL;
        end += 3;
    }
    return end;
}

static const char *skip_zone_name(const char *p)
{
    const char *start = p;
    if (*p == '<') {
        start = ++p;
        while (isalnum((unsigned char)*p) || *p == '+' || *p == '-')
            p++;
        return *p == '>' && p - start >= 3 && p - start <= 6 ? p + 1 : NULL;
    }
    while (isalpha((unsigned char)*p))
        p++;
    return p - start >= 3 && p - start <= 6 ? p : NULL;
}

static const char *skip_number(const char *p, long minimum, long maximum)
{
    char *end;
    if (!isdigit((unsigned char)*p))
        return NULL;
    long number = strtol(p, &end, 10);
    return number >= minimum && number <= maximum ? end : NULL;
}

/* ,Mmonth.week.day or ,Jday or ,day, each with an optional /time. */
static const char *skip_rule(const char *p)
{
    if (*p++ != ',')
        return NULL;
    if (*p == 'M') {
        p = skip_number(p + 1, 1, 12);
        p = p && *p == '.' ? skip_number(p + 1, 1, 5) : NULL;
        p = p && *p == '.' ? skip_number(p + 1, 0, 6) : NULL;
    } else if (*p == 'J') {
        p = skip_number(p + 1, 1, 365);
    } else {
        p = skip_number(p, 0, 365);
    }
    if (p && *p == '/')
        p = skip_time(p + 1, 167);
    return p;
}

/* A TZ string of POSIX.1-2017, 8.3. A C library reads a malformed one as UTC without a word, so it
 * is checked here in full. */
static bool is_posix_timezone(const char *p)
{
    p = skip_zone_name(p);
    p = p ? skip_time(p, 24) : NULL;
    if (!p || *p == '\0')
        return p != NULL;
    p = skip_zone_name(p);
    if (p && *p && *p != ',')
        p = skip_time(p, 24);
    if (!p || *p == '\0')
        return p != NULL;
    p = skip_rule(p);
    p = p ? skip_rule(p) : NULL;
    return p && *p == '\0';
}

static bool is_zone_name(const char *name)
{
    if (!isalpha((unsigned char)*name) || strstr(name, "..") || strlen(name) > 200)
        return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_+-/.", *p))
            return false;
    return true;
}

int stamp_set_timezone(const char *name)
{
    char value[256];
    bool found = false;
    if (is_zone_name(name)) {
        for (size_t i = 0; i < sizeof zone_folders / sizeof *zone_folders && !found; i++) {
            char path[256];
            (void)snprintf(path, sizeof path, "%s/%s", zone_folders[i], name);
            found = is_zone_file(path);
        }
    }
    if (!found && !is_posix_timezone(name)) {
        errno = is_zone_name(name) ? ENOENT : EINVAL;
        return -1;
    }
    /* The colon says "a file", where a name such as EST5EDT would read as a TZ string too. */
    (void)snprintf(value, sizeof value, "%s%s", found ? ":" : "", name);
    if (setenv("TZ", value, 1) != 0)
        return -1;
    tzset();
    return 0;
}

static void put_digits(char *at, int width, long number)
{
    while (width-- > 0) {
        at[width] = (char)('0' + number % 10);
        number /= 10;
    }
}

static int refresh(struct stamp_cache *cache, time_t second)
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
    memcpy(text, "0000-00-00 00:00:00.000000+00:00", STAMP_LENGTH);
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

int stamp_write(struct stamp_cache *cache, const struct timespec *moment, char *ret_stamp)
{
    if ((!cache->valid || cache->second != moment->tv_sec) && refresh(cache, moment->tv_sec) != 0) {
        cache->valid = false;
        return -1;
    }
    memcpy(ret_stamp, cache->text, STAMP_LENGTH);
    put_digits(ret_stamp + 20, 6, moment->tv_nsec / 1000);
    return 0;
}

/* Start-up reads every line of a file of millions, so this has no branch that depends on a byte and
 * the compiler makes vector instructions of it. */
bool stamp_is_exact(const char *text)
{
    static const char shape[] = "0000-00-00 00:00:00.000000+00:00";
    unsigned char wrong = 0;
    for (size_t i = 0; i < STAMP_LENGTH; i++) {
        unsigned char byte = (unsigned char)text[i], wanted = (unsigned char)shape[i];
        unsigned char digit = (unsigned char)(byte - '0') > 9;
        unsigned char sign = byte != '+' && byte != '-';
        unsigned char other = byte != wanted;
        wrong |= wanted == '0' ? digit : wanted == '+' ? sign : other;
    }
    return wrong == 0;
}

bool stamp_is_credible(const char *line, size_t length)
{
    enum { SECONDS_LENGTH = 19, OFFSET_LENGTH = 6 };
    char full[STAMP_LENGTH];
    if (length > 0 && line[length - 1] == '\r')
        length--;
    if (length < SECONDS_LENGTH + OFFSET_LENGTH || length > STAMP_LENGTH)
        return false;
    size_t fraction = length - SECONDS_LENGTH - OFFSET_LENGTH;
    if (fraction == 1)
        return false;
    memcpy(full, "0000-00-00 00:00:00.000000+00:00", STAMP_LENGTH);
    memcpy(full, line, SECONDS_LENGTH + fraction);
    memcpy(full + STAMP_LENGTH - OFFSET_LENGTH, line + length - OFFSET_LENGTH, OFFSET_LENGTH);
    return stamp_is_exact(full);
}
