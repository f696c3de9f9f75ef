#include "prove/ledger.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

#define TIME "2022-11-28 22:54:26.913511+03:00"

/* All fields are set; a kind writes those that it has. */
static const struct event full = {.lane = 3,
                                  .time_us = INT64_C(1669665266913511),
                                  .latency_us = 2345,
                                  .id = UINT64_MAX,
                                  .number = UINT64_MAX - 1,
                                  .hash = UINT64_C(0x0123456789abcdef),
                                  .pod = "web-0.x_y",
                                  .word = "kept",
                                  .text = TIME};

static const char *const lines[EVENT_KINDS] = {
    [EVENT_RUN] = "run\t1669665266913511\t" TIME,
    [EVENT_LANE] = "lane\t1669665266913511\t3\tkept\t" TIME,
    [EVENT_SERVER] = "server\t1669665266913511\tweb-0.x_y\tkept\t" TIME,
    [EVENT_MARK] = "mark\t1669665266913511\tweb-0.x_y\t18446744073709551614\t0123456789abcdef",
    [EVENT_BASELINE] = "baseline\t1669665266913511\tweb-0.x_y\t18446744073709551614\t"
                       "0123456789abcdef\tkept\t" TIME,
    [EVENT_SENT] = "sent\t1669665266913511\t18446744073709551615\t3",
    [EVENT_ACKNOWLEDGED] = "acknowledged\t1669665266913511\t18446744073709551615\t3\tweb-0.x_y\t"
                           "18446744073709551614\t" TIME "\t2345",
    [EVENT_REFUSED] =
        "refused\t1669665266913511\t18446744073709551615\t3\t18446744073709551614\t2345",
    [EVENT_UNKNOWN] = "unknown\t1669665266913511\t18446744073709551615\t3\tkept\t2345",
    [EVENT_UNSENT] = "unsent\t1669665266913511\t3\tkept\t2345",
    [EVENT_MISSED] = "missed\t1669665266913511\t3\t18446744073709551614",
    [EVENT_NOTE] = "note\t1669665266913511\t" TIME,
};

static const char *const malformed[] = {
    "sent",
    "sent\t",
    "sent\t1\t2",
    "sent\t1\t2\t",
    "sent\t1\t2\t3\t",
    "sent\t1\t2\t3\t4",
    "sent\t1\t\t3",
    "sent\t-1\t2\t3",
    "sent\t+1\t2\t3",
    "sent\t 1\t2\t3",
    "sent\t1\t2\t0x3",
    "sent\t1\t2\t4294967296",
    "sent\t1\t18446744073709551616\t3",
    "sent\t9223372036854775808\t2\t3",
    "Sent\t1\t2\t3",
    "sen\t1\t2\t3",
    "sents\t1\t2\t3",
    "\tsent\t1\t2\t3",
    "sent 1 2 3",
    "gap\t1\t2\t3",
    "web-app ledger\t1",
    "mark\t1\tweb-0\t2\t0123456789abcde",
    "mark\t1\tweb-0\t2\t0123456789abcdef0",
    "mark\t1\tweb-0\t2\t0123456789ABCDEF",
    "mark\t1\t\t2\t0123456789abcdef",
    "mark\t1\tweb/0\t2\t0123456789abcdef",
    "mark\t1\tw\xc3\xa4t\t2\t0123456789abcdef",
    "unsent\t1\t2\tconnection, refused\t4",
    "acknowledged\t1\t2\t3\tweb-0\t4\t2022-11-28 22:54:26.913511+03:0\t5",
    "acknowledged\t1\t2\t3\tweb-0\t4\t2022-02-29 22:54:26.913511+03:00\t5",
    "acknowledged\t1\t2\t3\tweb-0\t4\t2022-11-28 22:54:26.913511+03:00",
    "run\t1\ta\tb",
    "PROVEN:",
    "proven: all",
};

static const char *const comments[] = {"",
                                       "# pod web-0",
                                       "#",
                                       "web-app: 10 s: 5 acknowledged",
                                       "PROVEN: 5",
                                       "LOST: 5",
                                       "NOT PROVEN: x",
                                       "OVER BUDGET: x"};

/* The parser may change all bytes of the line, and the one after it. */
static int parse(const char *line, size_t length, struct event *ret_event)
{
    static char copy[8192];
    memset(copy, 'x', sizeof copy);
    memcpy(copy, line, length);
    int parsed = ledger_parse(copy, length, ret_event);
    return copy[length + 1] == 'x' ? parsed : -2;
}

static void write_and_parse(enum event_kind kind)
{
    char buffer[LEDGER_LINE_MAX], again[LEDGER_LINE_MAX];
    struct text text = text_begin(buffer, sizeof buffer),
                text_again = text_begin(again, sizeof again);
    struct event event = full, parsed = {0};
    event.kind = kind;
    ledger_write(&text, &event);
    same_bytes(text.data, text.length - 1, lines[kind], strlen(lines[kind]),
               "an event of kind %d is a line", kind);
    ok(text.data[text.length - 1] == '\n', "with a newline");
    same(parse(text.data, text.length - 1, &parsed), 0, "which is parsed");
    same(parsed.kind, (long long)kind, "as its kind");
    ledger_write(&text_again, &parsed);
    same_bytes(text_again.data, text_again.length, text.data, text.length, "with all fields");
    /* Each beginning of it is malformed, or has a shorter last field. */
    unsigned wrong = 0;
    for (size_t length = 1; length + 1 < text.length; length++) {
        bool is_last_field = !memchr(text.data + length, '\t', text.length - length);
        int result = parse(text.data, length, &parsed);
        wrong += result != -1 && !(result == 0 && is_last_field);
    }
    same(wrong, 0, "no line that breaks off before its last field is parsed");
}

void test_ledger(void)
{
    struct event event;
    for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
        write_and_parse((enum event_kind)kind);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        same(parse(malformed[i], strlen(malformed[i]), &event), -1, "%s is no line", malformed[i]);
    for (size_t i = 0; i < sizeof comments / sizeof *comments; i++)
        same(parse(comments[i], strlen(comments[i]), &event), 1, "'%s' is no event", comments[i]);
    same(parse("sent\t1\t2\t3\0", 11, &event), -1, "a NUL is no part of a line");
    same(parse("note\t1\ta\0b", 10, &event), -1, "nor of a text");
    char line[256];
    (void)snprintf(line, sizeof line, "mark\t1\t%064d\t2\t0123456789abcdef", 0);
    same(parse(line, strlen(line), &event), 0, "a word of 64 bytes is parsed");
    (void)snprintf(line, sizeof line, "mark\t1\t%065d\t2\t0123456789abcdef", 0);
    same(parse(line, strlen(line), &event), -1, "one of 65 is not");
    ok(ledger_is_word("aZ9-._ :+", 9) && !ledger_is_word("", 0) && !ledger_is_word("a\tb", 3) &&
           !ledger_is_word("a\nb", 3) && !ledger_is_word("a\0b", 3),
       "a word has no tab, newline or NUL");
}
