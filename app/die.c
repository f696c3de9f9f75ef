#include "die.h"

#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((format(printf, 1, 0))) static void put_line(const char *format, va_list arguments)
{
    char buffer[1024];
    struct text line = text_begin(buffer, sizeof buffer);
    text_string(&line, "web-app: ");
    text_vprintf(&line, format, arguments);
    /* A path or an option may contain a newline. The message must stay one line. */
    for (size_t i = 0; i < line.length; i++)
        if ((unsigned char)buffer[i] < ' ' || buffer[i] == 127)
            buffer[i] = '?';
    buffer[line.length] = '\n';
    /* If stderr is broken, there is nowhere to report it. */
    (void)!write(STDERR_FILENO, buffer, line.length + 1);
}

void warn(const char *format, ...)
{
    int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    put_line(format, arguments);
    va_end(arguments);
    errno = saved;
}

void die(int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(format, arguments);
    va_end(arguments);
    exit(exit_code);
}

/* Replaces the function of the C library that assert(3) calls, in musl and glibc. That one uses
 * stdio, which would add nearly a kilobyte of code. */
_Noreturn void __assert_fail(const char *claim, const char *file, int line, const char *function);
_Noreturn void __assert_fail(const char *claim, const char *file, int line, const char *function)
{
    warn("%s:%d: %s(): assertion failed: %s", file, line, function, claim);
    abort();
}
