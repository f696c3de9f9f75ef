/* The time zone of the timestamps. */
#ifndef TIMEZONE_H
#define TIMEZONE_H

/* Sets the zone of all later timestamps. NAME is an installed name of the IANA time zone database,
 * or a TZ string of POSIX.1 (`MSK-3`). Call it before any thread starts. Returns NULL, or what is
 * wrong with NAME and what to give instead, as the rest of a line that starts with NAME. The zone
 * is then unchanged. */
const char *timezone_set(const char *name);

#endif
