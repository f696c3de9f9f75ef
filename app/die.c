#include "die.h"

#include "base/io.h"
#include "base/text.h"
#include "site/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The first byte of a buffer is a newline, which ends a line that could be written only in part. */
enum { LINE_SIZE = 1024, BUFFER_SIZE = 1 + LINE_SIZE, FLUSH_MS = 1000 };

static bool is_json;

/* From put_line() to the thread that writes: a pipe in packet mode, so that each read(2) returns
 * one line. When 16 lines are in it, write(2) fails at once (pipe(7); pipe2(2), O_DIRECT). */
static int queue[2] = {-1, -1};
static _Atomic unsigned waiting; /* lines that the thread has not yet finished */
static _Atomic unsigned dropped; /* lines that were dropped, since the log last said so */

static void drop_line(void)
{
    dropped++;
    metrics_count_dropped_line();
}

static void put_json(struct text *text, const char *level, const char *message)
{
    static const char end[] = "\"}";
    struct timespec now;
    struct tm utc = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    text_printf(
        text, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ\",\"level\":\"%s\",\"message\":\"",
        utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
        now.tv_nsec / 1000, level);
    text->size -= sizeof end - 1;
    text_json(text, message);
    text->size += sizeof end - 1;
    text_string(text, end);
}

/* Fills in BUFFER, of BUFFER_SIZE bytes. Returns the length of the line after its first byte. */
static size_t make_line(char *buffer, const char *level, const char *message)
{
    char *line = buffer + 1;
    struct text text = text_begin(line, LINE_SIZE);
    if (is_json)
        put_json(&text, level, message);
    else
        text_strings(&text, "web-app: ", message);
    /* A path or an option may contain a newline. The message must stay one line. */
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            line[i] = '?';
    line[text.length] = '\n';
    buffer[0] = '\n';
    return text.length + 1;
}

/* Writes the line of LENGTH bytes in BUFFER to stderr. Drops it if that fails. */
static bool write_line(const char *buffer, size_t length)
{
    static bool is_torn; /* the last line was written in part, such as on a full disk */
    const char *next = is_torn ? buffer : buffer + 1;
    size_t left = is_torn ? length + 1 : length, written;
    struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
    while (write_all(STDERR_FILENO, next, left, &written) != 0) {
        int fault = errno;
        if (written > 0)
            is_torn = next[written - 1] != '\n';
        next += written;
        left -= written;
        /* EAGAIN: another process has made the file description that it shares non-blocking. */
        if (fault != EAGAIN || poll(&writable, 1, -1) < 0) {
            drop_line();
            return false;
        }
    }
    is_torn = false;
    return true;
}

/* Before there is a thread for it. A stderr that nobody reads must not keep the program from
 * starting, or from ending with an error: waits for it once, and not forever. */
static void write_directly(const char *buffer, size_t length)
{
    struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&writable, 1, dropped > 0 ? 0 : FLUSH_MS) > 0)
        (void)write_line(buffer, length);
    else
        drop_line();
}

static void *write_lines(void *unused)
{
    char buffer[BUFFER_SIZE] = "\n", message[64];
    ssize_t length;
    (void)unused;
    while ((length = read(queue[0], buffer + 1, LINE_SIZE)) > 0) {
        bool is_written = write_line(buffer, (size_t)length);
        unsigned count = dropped;
        if (is_written && count > 0 && !is_ready(queue[0], POLLIN)) {
            (void)snprintf(message, sizeof message, "dropped %u log lines that stderr did not take",
                           count);
            if (write_line(buffer, make_line(buffer, "warning", message)))
                dropped -= count;
        }
        waiting--;
    }
    return NULL;
}

/* Not forever: stderr may block. */
static void flush_lines(void)
{
    for (unsigned ms = 0; waiting > 0 && ms < FLUSH_MS; ms++)
        (void)poll(NULL, 0, 1);
}

void log_as_json(void)
{
    is_json = true;
}

void log_in_background(void)
{
    pthread_t thread;
    int fds[2];
    if (pipe2(fds, O_DIRECT | O_CLOEXEC) != 0)
        return;
    queue[0] = fds[0];
    if (fcntl(fds[1], F_SETFL, O_DIRECT | O_NONBLOCK) != 0 || atexit(flush_lines) != 0 ||
        pthread_create(&thread, NULL, write_lines, NULL) != 0)
        return;
    (void)pthread_detach(thread);
    queue[1] = fds[1];
}

__attribute__((format(printf, 2, 0))) static void put_line(const char *level, const char *format,
                                                           va_list arguments)
{
    int saved = errno;
    char buffer[BUFFER_SIZE], message[LINE_SIZE];
    struct text text = text_begin(message, sizeof message);
    (void)text_vprintf(&text, format, arguments);
    size_t length = make_line(buffer, level, message);
    if (queue[1] < 0) {
        write_directly(buffer, length);
    } else {
        waiting++;
        if (write(queue[1], buffer + 1, length) < 0) {
            waiting--;
            drop_line();
        }
    }
    errno = saved;
}

void inform(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line("info", format, arguments);
    va_end(arguments);
}

void warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line("warning", format, arguments);
    va_end(arguments);
}

void alert(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line("error", format, arguments);
    va_end(arguments);
}

void die(int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_line("error", format, arguments);
    va_end(arguments);
    exit(exit_code);
}

/* Replaces the function of the C library that assert(3) calls, in musl and glibc. That one uses
 * stdio, which would add nearly a kilobyte of code. The line number is enough to find the claim,
 * and the strings that are not used here are not in the program. */
_Noreturn void __assert_fail(const char *claim, const char *file, int line, const char *function);
_Noreturn void __assert_fail(const char *claim, const char *file, int line, const char *function)
{
    (void)claim, (void)function;
    alert("%s:%d: assertion failed", file, line);
    flush_lines();
    abort();
}
