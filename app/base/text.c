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

/* The length of the UTF-8 character at STRING (RFC 3629), or 0. */
static size_t character_length(const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    unsigned pair = at[0] < 0x80 ? 0 : at[0] * 256U + at[1];
    size_t length = pair == 0                          ? 1
                    : pair >= 0xc280 && pair <= 0xdfbf ? 2
                    : pair >= 0xe0a0 && pair <= 0xefbf ? 3
                    : pair >= 0xf090 && pair <= 0xf48f ? 4
                                                       : 0;
    if (pair >= 0xeda0 && pair <= 0xedbf) /* a surrogate */
        return 0;
    for (size_t i = 1; i < length; i++)
        if (at[i] >> 6 != 2)
            return 0;
    return length;
}

void text_json(struct text *text, const char *string)
{
    for (size_t length; *string; string += length) {
        char escape[sizeof "\\u0000"] = {'\\', *string};
        const char *piece = string;
        size_t size = length = character_length(string);
        unsigned char c = (unsigned char)*string;
        if (length == 0 || c < ' ' || c == 127) {
            struct text escaped = text_begin(escape, sizeof escape);
            text_printf(&escaped, "\\u%04x", length ? c : 0xfffd);
            size = escaped.length;
            length = 1;
            piece = escape;
        } else if (c == '"' || c == '\\') {
            size = 2;
            piece = escape;
        }
        if (size > text->size - 1 - text->length) {
            text->overflowed = true;
            return;
        }
        text_bytes(text, piece, size);
    }
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
