#include "base/text.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

/* Each way to append once. */
static void append_all(struct text *text)
{
    text_string(text, "Visit ");
    text_number(text, 0);
    text_bytes(text, ", ", 2);
    text_number(text, UINT64_MAX);
    text_printf(text, "%s%c%d", " of ", 'n', -1);
}

static void expect_pieces(void)
{
    static const char wanted[] = "Visit 0, 18446744073709551615 of n-1";
    char buffer[64];
    struct text text = text_begin(buffer, sizeof buffer);
    ok(text.length == 0 && buffer[0] == '\0', "a text begins empty");
    append_all(&text);
    same_bytes(buffer, text.length + 1, wanted, sizeof wanted, "pieces follow one another");
    ok(!text.overflowed, "they fit");
}

/* The sanitizer watches the end of each buffer. */
static void expect_cuts(void)
{
    char whole[64];
    struct text text = text_begin(whole, sizeof whole);
    append_all(&text);
    size_t length = text.length;
    bool is_cut = true, is_told = true;
    for (size_t size = 1; size <= length + 2; size++) {
        char *buffer = malloc(size);
        size_t kept = size <= length ? size - 1 : length;
        text = text_begin(buffer, size);
        append_all(&text);
        is_cut = is_cut && text.length == kept && memcmp(buffer, whole, kept) == 0 &&
                 buffer[kept] == '\0';
        is_told = is_told && text.overflowed == (size <= length);
        free(buffer);
    }
    ok(is_cut, "what does not fit is cut, at every size");
    ok(is_told, "and only then it has overflowed");
    char full[4];
    text = text_begin(full, sizeof full);
    text_string(&text, "abc");
    text_string(&text, "");
    ok(!text.overflowed, "a full text has not overflowed");
    text_printf(&text, "%s", "d");
    text_printf(&text, "%s", "");
    ok(text.overflowed && strcmp(full, "abc") == 0, "it has from the first piece too many on");
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
           "'%s' is none, or out of bounds", refused[i].digits);
    ok(parse_number("\xb1", 1, 0, UINT64_MAX, &number) == -1, "a byte beyond ASCII is no digit");
    ok(parse_number("123", 2, 0, 99, &number) == 0 && number == 12, "only so many bytes are read");
}

void test_text(void)
{
    expect_pieces();
    expect_cuts();
    expect_numbers();
}
