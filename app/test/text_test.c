#include "base/text.h"
#include "tap.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls each function that appends, once. */
static void append_all(struct text *text)
{
    text_string(text, "Visit ");
    text_number(text, 0);
    text_bytes(text, ", ", 2);
    text_number(text, UINT64_MAX);
    text_printf(text, "%s%c%d", " of ", 'n', -1);
}

static void expect_appending(void)
{
    static const char wanted[] = "Visit 0, 18446744073709551615 of n-1";
    char buffer[64];
    struct text text = text_begin(buffer, sizeof buffer);
    ok(text.length == 0 && buffer[0] == '\0', "a new text is empty");
    append_all(&text);
    same_bytes(buffer, text.length + 1, wanted, sizeof wanted, "pieces are appended in order");
    ok(!text.overflowed, "text that fits does not overflow");
}

/* The sanitizer watches the end of each buffer. */
static void expect_truncation(void)
{
    char whole[64];
    struct text text = text_begin(whole, sizeof whole);
    append_all(&text);
    size_t length = text.length;
    bool is_truncated = true, is_reported = true;
    for (size_t size = 1; size <= length + 2; size++) {
        char *buffer = malloc(size);
        size_t kept = size <= length ? size - 1 : length;
        text = text_begin(buffer, size);
        append_all(&text);
        is_truncated = is_truncated && text.length == kept && memcmp(buffer, whole, kept) == 0 &&
                       buffer[kept] == '\0';
        is_reported = is_reported && text.overflowed == (size <= length);
        free(buffer);
    }
    ok(is_truncated, "text that does not fit is truncated, at every size");
    ok(is_reported, "`overflowed` is set only if text was truncated");
    char full[4];
    text = text_begin(full, sizeof full);
    text_string(&text, "abc");
    text_string(&text, "");
    ok(!text.overflowed, "a text that just fits has not overflowed");
    text_printf(&text, "%s", "d");
    text_printf(&text, "%s", "");
    ok(text.overflowed && strcmp(full, "abc") == 0, "after an overflow `overflowed` stays set");
}

static void expect_numbers(void)
{
    static const struct {
        const char *digits;
        uint64_t minimum, maximum, number;
    } numbers[] = {
        {"0", 0, 0, 0},
        {"7", 7, 7, 7},
        {"007", 1, 9, 7},
        {"10", 0, 10, 10},
        {"65535", 0, 65535, 65535},
        {"18446744073709551615", 0, UINT64_MAX, UINT64_MAX},
    };
    static const struct {
        const char *digits;
        uint64_t minimum, maximum;
    } refused[] = {
        {"", 0, 9},          {"1", 2, 9},
        {"3", 0, 2},         {"10", 0, 9},
        {"65536", 0, 65535}, {"1x", 0, 9},
        {"-1", 0, 100},      {"+1", 0, 9},
        {" 1", 0, 9},        {"1 ", 0, 100},
        {"/", 0, 99},        {":", 0, 99},
        {"1", 0, 0},         {"18446744073709551616", 0, UINT64_MAX},
    };
    uint64_t number;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ok(parse_number(numbers[i].digits, strlen(numbers[i].digits), numbers[i].minimum,
                        numbers[i].maximum, &number) == 0 &&
               number == numbers[i].number,
           "%s is a number", numbers[i].digits);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        ok(parse_number(refused[i].digits, strlen(refused[i].digits), refused[i].minimum,
                        refused[i].maximum, &number) == -1,
           "'%s' is not a number, or out of bounds", refused[i].digits);
    ok(parse_number("\xb1", 1, 0, UINT64_MAX, &number) == -1, "a byte beyond ASCII is not a digit");
    ok(parse_number("123", 2, 0, 99, &number) == 0 && number == 12, "only LENGTH bytes are read");
}

/* The program's own formatting makes what the C library's printf(3) makes. */
static void expect_formats(void)
{
    char wanted[600], got[600];
    struct text text;
    bool right = true;
#define CHECK(...)                                                                                 \
    do {                                                                                           \
        text = text_begin(got, sizeof got);                                                        \
        text_printf(&text, __VA_ARGS__);                                                           \
        (void)snprintf(wanted, sizeof wanted, __VA_ARGS__);                                        \
        if (strcmp(got, wanted) != 0 || text.length != strlen(wanted))                             \
            right = ok(false, "'%s' is '%s'", got, wanted);                                        \
    } while (0)
    static const long long numbers[] = {0,   1,       -1,      9,         10,        -10,
                                        255, INT_MAX, INT_MIN, INT64_MAX, INT64_MIN, UINT32_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        long long number = numbers[i];
        CHECK("%d|%i|%u|%x", (int)number, (int)number, (unsigned)number, (unsigned)number);
        CHECK("%lld|%llu|%llx|%ld|%lu|%zu|%zx", number, (unsigned long long)number,
              (unsigned long long)number, (long)number, (unsigned long)number, (size_t)number,
              (size_t)number);
        CHECK("%4d|%04d|%-4d|%1d|%09ld|%08zx|%6llu", (int)number, (int)number, (int)number,
              (int)number, (long)number, (size_t)number, (unsigned long long)number);
        for (int width = 0; width < 25; width++)
            CHECK("%*lld|%0*lld|%-*lld|", width, number, width, number, width, number);
    }
    for (int width = 0; width < 8; width++)
        for (int precision = 0; precision < 8; precision++)
            CHECK("%*.*s|%-*.*s|", width, precision, "visit", width, precision, "visit");
    CHECK("%s%c%%%s%5c|%-3c|", "", '%', "\xff", 'a', 'b');
    CHECK("%s", "");
    CHECK("plain");
    CHECK("%0255d|%.3s", 7, "abcdef");
    ok(right, "text is formatted as by printf(3)");
    /* The bytes after the precision are not read, so there need not be a NUL. */
    char *three = malloc(3);
    memcpy(three, "abc", 3);
    text = text_begin(got, sizeof got);
    text_printf(&text, "%.3s|%.*s", three, 2, three);
    ok(strcmp(got, "abc|ab") == 0, "a string is read up to its precision");
    free(three);
    char narrow[4];
    text = text_begin(narrow, sizeof narrow);
    text_printf(&text, "%8d", 1);
    ok(text.overflowed && strcmp(narrow, "   ") == 0, "a padded number is truncated");
}

void test_text(void)
{
    expect_formats();
    expect_appending();
    expect_truncation();
    expect_numbers();
}
