#include "log/timezone.h"
#include "log/zone.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Where musl looks for compiled zones, in its order. */
static const char *const zone_directories[] = {"/usr/share/zoneinfo", "/share/zoneinfo",
                                               "/etc/zoneinfo"};

static const char *const complaints[] = {
    [ZONE_UNKNOWN] = "is not known here; give an IANA name whose file is in /usr/share/zoneinfo "
                     "(package tzdata), or a POSIX TZ string such as MSK-3",
    [ZONE_WITHOUT_RULES] = "does not say when its daylight saving time starts and ends; add that, "
                           "as in CET-1CEST,M3.5.0,M10.5.0/3, or give an IANA name",
    [ZONE_SECONDS] = "has an offset from UTC with seconds, which a line of visits.txt cannot say; "
                     "give whole minutes, or an IANA name",
    [ZONE_FAR] = "has an offset from UTC of 24 hours or more, which a line of visits.txt cannot "
                 "say; give 23:59 at most, or an IANA name",
    [ZONE_NEW_YEAR] =
        "has rules that the C library misreads, on New Year in UTC or too near to each "
        "other; give a single offset, such as EDT4, or an IANA name",
    [ZONE_FILE_DAMAGED] = "names a zone file that is damaged, or that the C library misreads; "
                          "install the package tzdata again, or give another IANA name",
    [ZONE_LEAP_SECONDS] = "counts leap seconds, which the clock of the machine does not; give the "
                          "IANA name without right/",
};

enum { ZONE_NAME_MAX = 200 };

/* Refuses a name with a dot: musl does not look for its file and uses UTC. */
static bool is_iana_name(const char *name)
{
    if (!isalpha((unsigned char)*name) || strlen(name) > ZONE_NAME_MAX)
        return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_+-/", *p))
            return false;
    return true;
}

/* Returns the bytes of the file, or NULL if it cannot be mapped. */
static void *map_file(const char *path, size_t *ret_size)
{
    struct stat status;
    void *bytes = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (bytes == MAP_FAILED)
        return NULL;
    *ret_size = (size_t)status.st_size;
    return bytes;
}

/* Checks the file that musl will use: the first one that can be mapped, whatever it contains.
 * Returns false if there is none. */
static bool check_zone_file(const char *name, enum zone_fault *ret_fault)
{
    for (size_t i = 0; i < sizeof zone_directories / sizeof *zone_directories; i++) {
        char path[256];
        _Static_assert(sizeof "/usr/share/zoneinfo/" + ZONE_NAME_MAX <= sizeof path, "a path fits");
        size_t size;
        (void)snprintf(path, sizeof path, "%s/%s", zone_directories[i], name);
        void *bytes = map_file(path, &size);
        if (bytes) {
            *ret_fault = zone_file_check(bytes, size);
            (void)munmap(bytes, size);
            return true;
        }
    }
    return false;
}

const char *timezone_set(const char *name)
{
    char value[256];
    long standard_s, daylight_s;
    enum zone_fault fault;
    bool is_file = is_iana_name(name) && check_zone_file(name, &fault);
    if (!is_file)
        fault = zone_string_check(name, &standard_s, &daylight_s);
    if (fault != ZONE_OK)
        return complaints[fault];
    assert(strlen(name) + sizeof ":" <= sizeof value); /* an accepted TZ string is never so long */
    /* The colon means a file (tzset(3)): without it a name such as EST5EDT could be a TZ string
     * too. */
    (void)snprintf(value, sizeof value, "%s%s", is_file ? ":" : "", name);
    if (setenv("TZ", value, 1) != 0)
        return "cannot be set, since memory is short; free some and start again";
    tzset();
    return NULL;
}
