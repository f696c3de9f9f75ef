#include "timezone.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

int timezone_set(const char *name)
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
