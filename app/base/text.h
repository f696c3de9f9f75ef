/* Text built piece by piece in a buffer of fixed size, and numbers read back from text. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At any time `data` holds `length` bytes and a NUL behind them, all within its `size` bytes. A
 * piece that does not fit is cut to the room there is, and `overflowed` stays true from then on. */
struct text {
    char *data;
    size_t size, length;
    bool overflowed;
};

/* An empty text in BUFFER of SIZE > 0 bytes, which must outlive it. */
struct text text_begin(char *buffer, size_t size);

/* Append LENGTH bytes, a string, a number in decimal, and what printf(3) makes of its arguments. */
void text_bytes(struct text *text, const void *data, size_t length);
void text_string(struct text *text, const char *string);
void text_number(struct text *text, uint64_t number);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Reads DIGITS, LENGTH bytes that must all be decimal digits, as a number from MINIMUM to MAXIMUM.
 * Returns 0, or -1 if it is none. */
int parse_number(const char *digits, size_t length, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number);

#endif
