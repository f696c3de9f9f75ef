/* text_vprintf() of text.h, and with it the vsnprintf(3) of the program. That of musl, with what it
 * needs for floating-point numbers and wide characters, would be ten kilobytes. */
#include "base/text.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A conversion, and the bytes that it makes of an argument. */
struct conversion {
    bool left, zeros; /* the flags - and 0 */
    int width, precision;
    const char *sign; /* before the zeros */
    const char *bytes;
    size_t length;
    char digits[20]; /* of UINT64_MAX */
};

struct arguments {
    va_list list;
};

static size_t append(struct text *text, const char *bytes, size_t length)
{
    text_bytes(text, bytes, length);
    return length;
}

static size_t pad(struct text *text, char character, int count)
{
    size_t length = 0;
    for (; count > 0; count--)
        length += append(text, &character, 1);
    return length;
}

static size_t put(struct text *text, const struct conversion *conversion)
{
    size_t sign_length = strlen(conversion->sign), length = 0;
    int missing = conversion->width - (int)(sign_length + conversion->length);
    if (!conversion->left && !conversion->zeros)
        length += pad(text, ' ', missing);
    length += append(text, conversion->sign, sign_length);
    if (!conversion->left && conversion->zeros)
        length += pad(text, '0', missing);
    length += append(text, conversion->bytes, conversion->length);
    if (conversion->left)
        length += pad(text, ' ', missing);
    return length;
}

/* Takes decimal digits, or the argument for which * stands. */
static int take_number(const char **format, struct arguments *arguments)
{
    int number = 0;
    if (**format == '*') {
        ++*format;
        return va_arg(arguments->list, int);
    }
    for (; **format >= '0' && **format <= '9'; ++*format)
        number = number * 10 + (**format - '0');
    return number;
}

static void take_string(struct conversion *conversion, struct arguments *arguments)
{
    conversion->bytes = va_arg(arguments->list, const char *);
    conversion->length = strnlen(conversion->bytes, (size_t)conversion->precision);
}

static void take_integer(struct conversion *conversion, char type, bool is_long,
                         struct arguments *arguments)
{
    unsigned base = type == 'x' ? 16 : 10;
    uint64_t number;
    if (type == 'd' || type == 'i') {
        int64_t given = is_long ? va_arg(arguments->list, int64_t) : va_arg(arguments->list, int);
        conversion->sign = given < 0 ? "-" : "";
        number = given < 0 ? -(uint64_t)given : (uint64_t)given;
    } else {
        assert(type == 'u' || type == 'x');
        number = is_long ? va_arg(arguments->list, uint64_t) : va_arg(arguments->list, unsigned);
    }
    size_t first = sizeof conversion->digits;
    do
        conversion->digits[--first] = "0123456789abcdef"[number % base];
    while (number /= base);
    conversion->bytes = conversion->digits + first;
    conversion->length = sizeof conversion->digits - first;
}

_Static_assert(sizeof(long) == sizeof(int64_t) && sizeof(long long) == sizeof(int64_t) &&
                   sizeof(size_t) == sizeof(int64_t),
               "the lengths l, ll and z are the same");

/* Appends the next conversion of *FORMAT, after its %. Returns its length. */
static size_t convert(struct text *text, const char **format, struct arguments *arguments)
{
    struct conversion conversion = {.precision = -1, .sign = ""};
    bool is_long = false;
    for (; **format == '-' || **format == '0'; ++*format)
        *(**format == '-' ? &conversion.left : &conversion.zeros) = true;
    conversion.width = take_number(format, arguments);
    if (**format == '.') {
        ++*format;
        conversion.precision = take_number(format, arguments);
    }
    for (; **format == 'l' || **format == 'z'; ++*format)
        is_long = true;
    char type = *(*format)++;
    if (type == 's') {
        take_string(&conversion, arguments);
    } else if (type == 'c' || type == '%') {
        conversion.digits[0] = type == 'c' ? (char)va_arg(arguments->list, int) : type;
        conversion.bytes = conversion.digits;
        conversion.length = 1;
    } else {
        take_integer(&conversion, type, is_long, arguments);
    }
    return put(text, &conversion);
}

size_t text_vprintf(struct text *text, const char *format, va_list given)
{
    struct arguments arguments;
    size_t total = 0;
    va_copy(arguments.list, given);
    for (;;) {
        size_t plain = strcspn(format, "%");
        total += append(text, format, plain);
        format += plain;
        if (!*format)
            break;
        format++;
        total += convert(text, &format, &arguments);
    }
    va_end(arguments.list);
    return total;
}

#ifndef __GLIBC__ /* with glibc the sanitizers watch its own */
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    char nothing[1];
    struct text text = size > 0 ? text_begin(buffer, size) : text_begin(nothing, sizeof nothing);
    size_t length = text_vprintf(&text, format, arguments);
    assert(length <= INT_MAX);
    return (int)length;
}
#endif
