/* Fuzzes json_member() of prove/exchange.c, which reads the body of a response: no access past its
 * end, and what is copied is in the body, after the name. The first byte chooses the name, the
 * second how much room there is. */
#include "demand.h"
#include "prove/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"visit", "time", "pod", "started", "sync", "name"};
    if (size < 2)
        return 0;
    const char *name = names[data[0] % (sizeof names / sizeof *names)];
    size_t room = data[1] % 80 + 1U, length = size - 2;
    char *body = copy_exactly(data + 2, length), *value = malloc(room), member[256];
    demand(value, "there is memory");
    memset(value, 'x', room);
    if (json_member(body, length, name, value, room) == 0) {
        size_t value_length = strnlen(value, room);
        demand(value_length < room, "the value has its NUL");
        int quoted = snprintf(member, sizeof member, "\"%s\": \"%s\"", name, value);
        int plain = snprintf(member + quoted + 1, sizeof member - (size_t)quoted - 1, "\"%s\": %s",
                             name, value);
        demand(memmem(body, length, member, (size_t)quoted) ||
                   memmem(body, length, member + quoted + 1, (size_t)plain),
               "the value follows the name in the body");
        demand(!strchr(value, '\n') || memmem(body, length, member, (size_t)quoted),
               "a value without quotes is in one line");
    }
    free(value);
    free(body);
    return 0;
}
