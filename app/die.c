#include "die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 1, 0))) static void put_line(const char *format, va_list arguments,
                                                           int error)
{
    char line[1024] = "web-app: ";
    size_t length = strlen(line);
    int printed = vsnprintf(line + length, sizeof line - length, format, arguments);
    if (printed > 0)
        length += (size_t)printed;
    if (error && length < sizeof line) {
        printed = snprintf(line + length, sizeof line - length, ": %s", strerror(error));
        if (printed > 0)
            length += (size_t)printed;
    }
    if (length > sizeof line - 1)
        length = sizeof line - 1;
    /* What was said of an option or a path may hold a newline; it stays one line all the same. */
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            line[i] = '?';
    line[length++] = '\n';
    /* There is nowhere to report that stderr itself is broken. */
    (void)!write(STDERR_FILENO, line, length);
}

void warn(const char *format, ...)
{
    int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    put_line(format, arguments, 0);
    va_end(arguments);
    errno = saved;
}

void warn_errno(const char *format, ...)
{
    int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    put_line(format, arguments, saved);
    va_end(arguments);
    errno = saved;
}

void die(int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line(format, arguments, 0);
    va_end(arguments);
    exit(exit_code);
}
