#include "tap.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int checks, failures;

__attribute__((format(printf, 2, 0))) static bool report(bool passed, const char *claim,
                                                         va_list arguments)
{
    checks++;
    failures += !passed;
    printf("%sok %d - ", passed ? "" : "not ", checks);
    vprintf(claim, arguments);
    putchar('\n');
    (void)fflush(stdout);
    return passed;
}

bool ok(bool passed, const char *claim, ...)
{
    va_list arguments;
    va_start(arguments, claim);
    report(passed, claim, arguments);
    va_end(arguments);
    return passed;
}

bool same(long long got, long long wanted, const char *claim, ...)
{
    va_list arguments;
    va_start(arguments, claim);
    report(got == wanted, claim, arguments);
    va_end(arguments);
    if (got != wanted)
        printf("#   got %lld, wanted %lld\n", got, wanted);
    return got == wanted;
}

static void show(const char *what, const void *bytes, size_t length)
{
    enum { SHOWN_MAX = 400 };
    const unsigned char *p = bytes;
    printf("#   %s (%zu bytes): ", what, length);
    for (size_t i = 0; i < length && i < SHOWN_MAX; i++) {
        if (isprint(p[i]))
            putchar(p[i]);
        else
            printf("\\x%02x", p[i]);
    }
    printf("%s\n", length > SHOWN_MAX ? "..." : "");
}

bool same_bytes(const void *got, size_t got_length, const void *wanted, size_t wanted_length,
                const char *claim, ...)
{
    bool equal =
        got_length == wanted_length && (got_length == 0 || memcmp(got, wanted, got_length) == 0);
    va_list arguments;
    va_start(arguments, claim);
    report(equal, claim, arguments);
    va_end(arguments);
    if (!equal) {
        show("got", got, got_length);
        show("wanted", wanted, wanted_length);
    }
    return equal;
}

int tap_done(void)
{
    printf("1..%d\n", checks);
    return failures > 0;
}
