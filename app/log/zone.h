/* Which time zones this program can tell truly. A C library takes what it cannot read for UTC
 * without a word, reads some rules in another way than the standards, and a line of visits.txt has
 * offsets of whole minutes; such zones are refused here. Pure functions: they can be tested alone.
 */
#ifndef ZONE_H
#define ZONE_H

#include <stddef.h>

enum zone_fault {
    ZONE_OK,
    ZONE_UNKNOWN,       /* not a TZ string */
    ZONE_WITHOUT_RULES, /* a daylight saving time, but not when it starts and ends */
    ZONE_SECONDS,       /* an offset from UTC with seconds */
    ZONE_FAR,           /* an offset of 24 hours or more */
    ZONE_NEW_YEAR,      /* a change that may fall into another year in UTC, or is not in order */
    ZONE_FILE_DAMAGED,  /* or one that musl misreads */
    ZONE_LEAP_SECONDS,  /* a file for a clock that counts leap seconds, as no POSIX clock does */
};

/* Judges a TZ string of POSIX.1-2017, 8.3, whose rules may have a time from -167 to 167 hours (RFC
 * 9636, 3.3.1). Fills in *RET_STANDARD_S and *RET_DAYLIGHT_S, the offsets in seconds east of UTC,
 * the same one twice where there is no daylight saving time, if it is fine. */
enum zone_fault zone_string_check(const char *text, long *ret_standard_s, long *ret_daylight_s);

/* Judges the SIZE bytes of a compiled zone (RFC 9636, 3), with what it says of 2000 and later. */
enum zone_fault zone_file_check(const unsigned char *bytes, size_t size);

/* Judges an offset in seconds: one that a line of visits.txt can have is fine. */
enum zone_fault zone_offset_check(long offset_s);

#endif
