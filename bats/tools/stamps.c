/* stamps ZONE: the stamps of the seconds that are on its input, one a line, in that zone; or what is
 * wrong with the zone, after a "!". With app/log/timezone.c and what it needs this shows what a C
 * library makes of a zone. */
#include "log/timestamp.h"
#include "log/timezone.h"

#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
    long long second;
    const char *complaint = count == 2 ? timezone_set(arguments[1]) : "is one argument";
    if (complaint)
        return printf("!%s\n", complaint) < 0;
    while (scanf("%lld", &second) == 1) {
        struct timestamp_cache cache = {0};
        struct timespec moment = {.tv_sec = second};
        char timestamp[TIMESTAMP_LENGTH];
        if (timestamp_write(&cache, &moment, timestamp) != 0)
            memset(timestamp, '?', sizeof timestamp);
        printf("%.*s\n", TIMESTAMP_LENGTH, timestamp);
    }
    return fflush(stdout) != 0;
}
