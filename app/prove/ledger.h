/* The ledger: what the prover has seen, one event a line, fields between tabs, in the order in
 * which it was seen. It is only appended to. Its first line has the version.
 *
 * One table describes all lines; writing and reading both use it. */
#ifndef LEDGER_H
#define LEDGER_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_HEAD "web-app ledger\t1"

enum {
    LEDGER_LINE_MAX = 2560, /* a URL may have 2,300 bytes */
    LEDGER_WORD_MAX = 64,   /* a pod's name, a reason */
};

enum event_kind {
    EVENT_RUN,    /* visiting begins, or goes on: `text` is the version of the prover */
    EVENT_LANE,   /* visits to a target over connections of a kind: `lane`, `word`, URL in `text` */
    EVENT_SERVER, /* what /version of `pod` says, when it is met and whenever that changes: `text`
                     is the start of the process, `word` its sync mode */
    EVENT_MARK,   /* the first `number` lines of the file of `pod` had this `hash` */
    EVENT_BASELINE, /* when `pod` was met its file had `number` lines with this `hash`; the first
                       and the last are in `word` and `text`, or "-" */
    EVENT_SENT,     /* the request of visit `id` is about to be sent */
    EVENT_ACKNOWLEDGED, /* by `pod`, as its visit `number`, at the time in `text` */
    EVENT_REFUSED,      /* a whole response, whose status is `number`, and no visit */
    EVENT_UNKNOWN,      /* sent, and no whole response; why is in `word` */
    EVENT_UNSENT,       /* nothing was sent; why is in `word` */
    EVENT_MISSED,       /* the prover was too slow for `number` visits of `lane` */
    EVENT_NOTE,         /* for people: `text` */
    EVENT_KINDS
};

/* Strings are not NULL where the kind has them, and have no tab, newline or NUL. */
struct event {
    enum event_kind kind;
    unsigned lane;
    int64_t time_us;    /* since 1970, by the prover's clock, which does not jump within a run */
    int64_t latency_us; /* of an outcome: since the visit was due */
    uint64_t id, number, hash;
    const char *pod, *word, *text;
};

/* Are these LENGTH bytes a pod's name or another word: letters, digits and "-._ :+"? */
bool ledger_is_word(const char *text, size_t length);

/* Appends the line of EVENT, with its newline. */
void ledger_write(struct text *text, const struct event *event);

/* Parses the LENGTH bytes of a line without its newline, which it changes: the strings of
 * *RET_EVENT point into LINE, and LINE[LENGTH] becomes NUL. Returns 0, 1: a line without an event,
 * such as a comment, or -1: this is not a line of a ledger. */
int ledger_parse(char *line, size_t length, struct event *ret_event);

#endif
