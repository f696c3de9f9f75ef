/* The time zone in which visits are stamped. */
#ifndef TIMEZONE_H
#define TIMEZONE_H

/* Makes NAME the zone of every later timestamp: a name of the IANA time zone database that is
 * installed here, or a TZ string of POSIX.1 (`MSK-3`). Call it before any thread is started.
 * Returns NULL, or what is wrong with NAME and what to give instead, as the rest of a line that
 * starts with it; the zone is then the one before. */
const char *timezone_set(const char *name);

#endif
