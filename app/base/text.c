#include "base/text.h"

#include <assert.h>
#include <string.h>

struct text text_begin(char *buffer, size_t size)
{
    assert(size > 0);
    buffer[0] = '\0';
    return (struct text){.data = buffer, .size = size};
}

void text_bytes(struct text *text, const void *data, size_t length)
{
    size_t available = text->size - 1 - text->length;
    if (length > available) {
        text->overflowed = true;
        length = available;
    }
    memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

void text_array(struct text *text, const char *const *strings)
{
    while (*strings)
        text_string(text, *strings++);
}

/* Not printf(3), which takes several times as long: pages and heads are full of numbers. */
void text_number(struct text *text, uint64_t number)
{
    char digits[sizeof "18446744073709551615" - 1];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + number % 10);
    while (number /= 10);
    text_bytes(text, digits + first, sizeof digits - first);
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)text_vprintf(text, format, arguments);
    va_end(arguments);
}

int parse_number(const char *digits, size_t length, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        /* A character below '0' wraps around to a large number. */
        unsigned digit = (unsigned)digits[i] - '0';
        if (digit > 9 || digit > maximum || number > (maximum - digit) / 10)
            return -1;
        number = number * 10 + digit;
    }
    if (length == 0 || number < minimum)
        return -1;
    *ret_number = number;
    return 0;
}
