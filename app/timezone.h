/* The time zone in which visits are stamped. */
#ifndef TIMEZONE_H
#define TIMEZONE_H

/* Makes NAME the zone of every later stamp: a name of the IANA time zone database that is installed
 * here, or a TZ string of POSIX.1 (`MSK-3`). Call it before any thread is started. Returns 0, or -1
 * with errno ENOENT (no such zone here) or EINVAL (not a name and not a TZ string). */
int timezone_set(const char *name);

#endif
