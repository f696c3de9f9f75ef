#include "prove/ledger.h"

#include "prove/moment.h"

#include <assert.h>
#include <string.h>

/* The fields of a line after its first word: t the time, l the lane, i the id, n the number, d the
 * latency, h the hash, p the pod, w the word, x the text, m a moment in the text. */
static const struct {
    const char *name, *fields;
} kinds[] = {
    [EVENT_RUN] = {"run", "tx"},
    [EVENT_LANE] = {"lane", "tlwx"},
    [EVENT_SERVER] = {"server", "tpwx"},
    [EVENT_MARK] = {"mark", "tpnh"},
    [EVENT_BASELINE] = {"baseline", "tpnhwx"},
    [EVENT_SENT] = {"sent", "til"},
    [EVENT_ACKNOWLEDGED] = {"acknowledged", "tilpnmd"},
    [EVENT_REFUSED] = {"refused", "tilnd"},
    [EVENT_UNKNOWN] = {"unknown", "tilwd"},
    [EVENT_UNSENT] = {"unsent", "tlwd"},
    [EVENT_MISSED] = {"missed", "tln"},
    [EVENT_NOTE] = {"note", "tx"},
};
_Static_assert(sizeof kinds / sizeof *kinds == EVENT_KINDS, "every kind has a line");

static const char hex[] = "0123456789abcdef";

static void put_hash(struct text *text, uint64_t hash)
{
    char digits[16];
    for (unsigned i = 0; i < sizeof digits; i++)
        digits[i] = hex[hash >> (60 - 4 * i) & 15];
    text_bytes(text, digits, sizeof digits);
}

static void put_field(struct text *text, char field, const struct event *event)
{
    text_bytes(text, "\t", 1);
    switch (field) {
    case 't':
        text_number(text, (uint64_t)event->time_us);
        break;
    case 'l':
        text_number(text, event->lane);
        break;
    case 'i':
        text_number(text, event->id);
        break;
    case 'n':
        text_number(text, event->number);
        break;
    case 'd':
        text_number(text, (uint64_t)event->latency_us);
        break;
    case 'h':
        put_hash(text, event->hash);
        break;
    case 'p':
        text_string(text, event->pod);
        break;
    case 'w':
        text_string(text, event->word);
        break;
    default:
        text_string(text, event->text);
    }
}

void ledger_write(struct text *text, const struct event *event)
{
    text_string(text, kinds[event->kind].name);
    for (const char *field = kinds[event->kind].fields; *field; field++)
        put_field(text, *field, event);
    text_bytes(text, "\n", 1);
}

static int parse_hash(const char *digits, size_t length, uint64_t *ret_hash)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < length; i++) {
        const char *digit = memchr(hex, digits[i], 16);
        if (!digit)
            return -1;
        hash = hash << 4 | (uint64_t)(digit - hex);
    }
    *ret_hash = hash;
    return length == 16 ? 0 : -1;
}

bool ledger_is_word(const char *text, size_t length)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._ :+";
    for (size_t i = 0; i < length; i++)
        if (!memchr(allowed, text[i], sizeof allowed - 1))
            return false;
    return length > 0;
}

static int parse_field(char field, char *value, size_t length, struct event *event)
{
    uint64_t number;
    struct moment moment;
    switch (field) {
    case 't':
    case 'd':
        if (parse_number(value, length, 0, INT64_MAX, &number) != 0)
            return -1;
        *(field == 't' ? &event->time_us : &event->latency_us) = (int64_t)number;
        return 0;
    case 'l':
        if (parse_number(value, length, 0, UINT32_MAX, &number) != 0)
            return -1;
        event->lane = (unsigned)number;
        return 0;
    case 'i':
        return parse_number(value, length, 0, UINT64_MAX, &event->id);
    case 'n':
        return parse_number(value, length, 0, UINT64_MAX, &event->number);
    case 'h':
        return parse_hash(value, length, &event->hash);
    case 'p':
    case 'w':
        *(field == 'p' ? &event->pod : &event->word) = value;
        return length <= LEDGER_WORD_MAX && ledger_is_word(value, length) ? 0 : -1;
    case 'm':
        event->text = value;
        return length == MOMENT_LENGTH ? moment_parse(value, &moment) : -1;
    default:
        event->text = value;
        return 0;
    }
}

/* The log of a pod has what the prover says beside its ledger. */
static bool is_comment(const char *line, size_t length)
{
    static const char *const beginnings[] = {
        "#", "web-app: ", "PROVEN: ", "LOST: ", "NOT PROVEN: ", "OVER BUDGET: "};
    for (unsigned i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (length >= strlen(beginnings[i]) &&
            memcmp(line, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return length == 0;
}

int ledger_parse(char *line, size_t length, struct event *ret_event)
{
    struct event event = {.kind = EVENT_KINDS};
    char *end = line + length, *tab = memchr(line, '\t', length);
    if (is_comment(line, length))
        return 1;
    if (memchr(line, '\0', length) || !tab)
        return -1;
    *end = *tab = '\0';
    for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
        if (strcmp(line, kinds[kind].name) == 0)
            event.kind = (enum event_kind)kind;
    if (event.kind == EVENT_KINDS)
        return -1;
    for (const char *field = kinds[event.kind].fields; *field; field++) {
        char *value = tab + 1;
        tab = field[1] ? memchr(value, '\t', (size_t)(end - value)) : end;
        if (!tab || parse_field(*field, value, (size_t)(tab - value), &event) != 0)
            return -1;
        *tab = '\0';
    }
    *ret_event = event;
    return event.text && memchr(event.text, '\t', strlen(event.text)) ? -1 : 0;
}
