/* stamps ZONE: the stamps of the seconds that are on its input, one a line, in that zone; or what is
 * wrong with the zone, after a "!". With app/timezone.c and what it needs this shows what a C
 * library makes of a zone. */
#include "stamp.h"
#include "timezone.h"

#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
    long long second;
    const char *complaint = count == 2 ? timezone_set(arguments[1]) : "is one argument";
    if (complaint)
        return printf("!%s\n", complaint) < 0;
    while (scanf("%lld", &second) == 1) {
        struct stamp_cache cache = {0};
        struct timespec moment = {.tv_sec = second};
        char stamp[STAMP_LENGTH];
        if (stamp_write(&cache, &moment, stamp) != 0)
            memset(stamp, '?', sizeof stamp);
        printf("%.*s\n", STAMP_LENGTH, stamp);
    }
    return fflush(stdout) != 0;
}
