#include "base/text.h"
#include "tap.h"

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

void test_text(void)
{
    expect_appending();
    expect_truncation();
    expect_numbers();
}
