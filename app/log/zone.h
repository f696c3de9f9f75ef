/* Refuses time zones in which timestamps would be wrong. musl silently uses UTC for a zone that it
 * cannot read. It interprets some rules differently from the standards. And a line of visits.txt
 * has an offset in whole minutes. Does no I/O, so it can be tested alone. */
#ifndef ZONE_H
#define ZONE_H

#include <stddef.h>

enum zone_fault {
    ZONE_OK,
    ZONE_UNKNOWN,       /* not a TZ string */
    ZONE_WITHOUT_RULES, /* has daylight saving time, but no rules for its start and end */
    ZONE_SECONDS,       /* an offset from UTC with seconds */
    ZONE_FAR,           /* an offset of 24 hours or more */
    ZONE_NEW_YEAR,      /* a change may fall into another year in UTC, or the order varies */
    ZONE_FILE_DAMAGED,  /* or one that musl misreads */
    ZONE_LEAP_SECONDS,  /* a file for a clock that counts leap seconds, as no POSIX clock does */
};

/* Checks a TZ string of POSIX.1-2017, 8.3. Its rules may have a time from -167 to 167 hours (RFC
 * 9636, 3.3.1). With ZONE_OK *RET_STANDARD_S and *RET_DAYLIGHT_S are the offsets in seconds east of
 * UTC; both are equal without daylight saving time. */
enum zone_fault zone_string_check(const char *text, long *ret_standard_s, long *ret_daylight_s);

/* Checks the SIZE bytes of a compiled zone (RFC 9636, 3), as far as they concern 2000 and later. */
enum zone_fault zone_file_check(const unsigned char *bytes, size_t size);

/* Checks that a line of visits.txt can have this offset, in seconds. */
enum zone_fault zone_offset_check(long offset_s);

#endif
