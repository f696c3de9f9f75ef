#include "demand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void demand(bool holds, const char *claim)
{
    if (holds)
        return;
    (void)fprintf(stderr, "does not hold: %s\n", claim);
    abort();
}

void *copy_exactly(const void *bytes, size_t length)
{
    void *copy = malloc(length);
    demand(copy || length == 0, "there is memory");
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}
