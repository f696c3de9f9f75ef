/* Builds a string in a buffer of fixed size, and parses numbers. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `data` always holds `length` bytes and a NUL after them, within `size` bytes. Text that does not
 * fit is truncated, and `overflowed` is true from then on. */
struct text {
    char *data;
    size_t size, length;
    bool overflowed;
};

/* Returns an empty text in BUFFER. BUFFER has SIZE > 0 bytes and must outlive the text. */
struct text text_begin(char *buffer, size_t size);

/* Append LENGTH bytes, a string, strings up to a NULL, a decimal number, or the output of
 * printf(3).
 */
void text_bytes(struct text *text, const void *data, size_t length);
void text_string(struct text *text, const char *string);
void text_array(struct text *text, const char *const *strings) __attribute__((noinline));
#define text_strings(text, ...) text_array(text, (const char *const[]){__VA_ARGS__, NULL})
void text_number(struct text *text, uint64_t number);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the output of printf(3), and returns the length of all of it. Aborts the program at a
 * conversion other than s, c, d, i, u, x and %; they may have the flags - and 0, a width, a
 * precision (s alone) and the lengths l, ll and z. */
size_t text_vprintf(struct text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Appends STRING as it stands between the quotes of a JSON string (RFC 8259). A byte that is not
 * UTF-8 becomes U+FFFD. What does not fit is truncated between two characters. */
void text_json(struct text *text, const char *string);

/* Parses LENGTH decimal digits, and nothing else, as a number from MINIMUM to MAXIMUM. Returns 0,
 * or -1 if DIGITS is not such a number. */
int parse_number(const char *digits, size_t length, uint64_t minimum, uint64_t maximum,
                 uint64_t *ret_number);

#endif
