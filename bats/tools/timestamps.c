/* timestamps ZONE: reads seconds since 1970, one a line, and prints the timestamp of each in that zone; or "!"
 * and what is wrong with the zone. Linked with app/log/timezone.c and what it needs, it shows how a C library
 * reads a zone. */
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
