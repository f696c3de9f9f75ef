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

/* The code of the character at *AT in UTF-8, or of its escape, and *AT after it; -1 if there is
 * none that a JSON string may have. */
static long next_code(const char **at)
{
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const unsigned char *byte = (const unsigned char *)*at;
    char digits[5] = "", *end;
    if (byte[0] < ' ' || byte[0] == '"')
        return -1;
    if (byte[0] == '\\' && byte[1] == 'u') {
        memcpy(digits, byte + 2, strnlen(*at + 2, 4));
        long code = strtol(digits, &end, 16);
        *at += 6;
        return end == digits + 4 ? code : -1;
    }
    if (byte[0] == '\\') {
        const char *found = byte[1] ? strchr(plain, byte[1]) : NULL;
        *at += 2;
        return found ? meant[found - plain] : -1;
    }
    unsigned more = byte[0] < 0x80 ? 0 : byte[0] < 0xe0 ? 1 : byte[0] < 0xf0 ? 2 : 3;
    long code = more ? byte[0] & (0x3f >> more) : byte[0];
    for (unsigned i = 1; i <= more; i++)
        code = byte[i] >> 6 == 2 ? code << 6 | (byte[i] & 0x3f) : -1;
    static const long least[] = {0, 0x80, 0x800, 0x10000};
    *at += 1 + more;
    return code < least[more] || code > 0x10ffff || code >> 11 == 0xd800 >> 11 ? -1 : code;
}

/* Is TEXT the inside of a JSON string with these COUNT characters? */
static bool says(const char *text, const long *codes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (next_code(&text) != codes[i])
            return false;
    return *text == '\0';
}

static size_t put_utf8(char *at, unsigned code)
{
    unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    for (unsigned i = more; i > 0; i--, code >>= 6)
        at[i] = (char)(0x80 | (code & 0x3f));
    at[0] = (char)(lead[more] | code);
    return 1 + more;
}

static void expect_json_characters(void)
{
    enum { REPLACED = 0xfffd };
    char string[8], buffer[64];
    bool is_kept = true;
    for (unsigned code = 1; code <= 0x10ffff; code++) {
        bool is_surrogate = code >> 11 == 0xd800 >> 11;
        size_t length = put_utf8(string, code);
        string[length] = '\0';
        struct text text = text_begin(buffer, sizeof buffer);
        text_json(&text, string);
        const long expected[] = {is_surrogate ? REPLACED : (long)code, REPLACED, REPLACED};
        is_kept = is_kept && says(buffer, expected, is_surrogate ? 3 : 1);
    }
    ok(is_kept, "every character of Unicode is kept, and a surrogate is not one");
    static const struct {
        const char *string, *json;
    } strings[] = {
        {"", ""},
        {"a \"b\" \\c/", "a \\\"b\\\" \\\\c/"},
        {"a\nb\x1b[31m\x7f", "a\\u000ab\\u001b[31m\\u007f"},
        {"\xff", "\\ufffd"},
        {"\x80x", "\\ufffdx"},
        {"\xc3", "\\ufffd"},
        {"\xc3(", "\\ufffd("},
        {"\xe2\x82", "\\ufffd\\ufffd"},
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xc0\xaf", "\\ufffd\\ufffd"},
        {"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},
        {"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"\xf8\x88\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        struct text text = text_begin(buffer, sizeof buffer);
        text_json(&text, strings[i].string);
        same_bytes(buffer, text.length, strings[i].json, strlen(strings[i].json),
                   "string %zu is escaped", i);
    }
}

/* Pairs of bytes after a character, and before one: every byte in every position. */
static void expect_json_bytes(void)
{
    char string[] = "a??\xe2\x82\xac", buffer[64];
    bool is_valid = true, is_escaped = true;
    for (unsigned pair = 0; pair < 65536; pair++) {
        string[1] = (char)(pair >> 8 ? pair >> 8 : ' ');
        string[2] = (char)(pair & 255 ? pair & 255 : ' ');
        struct text text = text_begin(buffer, sizeof buffer);
        text_json(&text, string);
        long code = 0;
        for (const char *at = buffer; *at && code >= 0;)
            code = next_code(&at);
        is_valid = is_valid && (code == 0x20ac || code == 0xfffd);
        for (const char *at = buffer; *at; at++)
            is_escaped = is_escaped && (unsigned char)*at >= ' ' && *at != 127;
    }
    ok(is_valid, "any two bytes make a JSON string, which is UTF-8");
    ok(is_escaped, "it has no control character");
}

static void expect_json_truncation(void)
{
    static const char string[] = "a\"\xe2\x82\xac\n\xff\xf0\x9f\x98\x80z";
    static const size_t ends[] = {0, 1, 3, 6, 12, 18, 22, 23};
    bool is_truncated = true;
    for (size_t size = 1, end = 0; size <= 30; size++) {
        while (end + 1 < sizeof ends / sizeof *ends && ends[end + 1] < size)
            end++;
        char *buffer = malloc(size);
        struct text text = text_begin(buffer, size);
        text_json(&text, string);
        is_truncated = is_truncated && text.length == ends[end] && buffer[text.length] == '\0' &&
                       text.overflowed == (ends[end] < 23);
        free(buffer);
    }
    ok(is_truncated, "JSON that does not fit is truncated between two characters, at every size");
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
    expect_json_characters();
    expect_json_bytes();
    expect_json_truncation();
    expect_numbers();
}
