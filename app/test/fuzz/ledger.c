/* Fuzzes prove/ledger.c and prove/evidence.c with the lines of a ledger: no access past their end,
 * an event that was parsed is written as a line that gives the same event, and the evidence adds up
 * to the lines that it took. */
#include "prove/ledger.h"
#include "demand.h"
#include "prove/evidence.h"

#include <stdlib.h>
#include <string.h>

/* What the evidence must add up to, counted from the events that it took. */
struct sums {
    uint64_t acknowledged, refused, unknown, unsent, missed, backs, restarts, marks;
};

static bool is_equal(const char *one, const char *other)
{
    return one ? other && strcmp(one, other) == 0 : !other;
}

static void demand_round_trip(const struct event *event)
{
    char buffer[LEDGER_LINE_MAX + 64];
    struct event again;
    struct text text = text_begin(buffer, sizeof buffer);
    ledger_write(&text, event);
    demand(!text.overflowed, "what was a line has room in a line");
    demand(!memchr(buffer, '\n', text.length - 1) && !memchr(buffer, '\0', text.length),
           "an event is one line");
    char *line = copy_exactly(buffer, text.length); /* the newline has become NUL */
    demand(ledger_parse(line, text.length - 1, &again) == 0, "what is written is parsed");
    demand(again.kind == event->kind && again.lane == event->lane &&
               again.time_us == event->time_us && again.latency_us == event->latency_us &&
               again.id == event->id && again.number == event->number &&
               again.hash == event->hash && is_equal(again.pod, event->pod) &&
               is_equal(again.word, event->word) && is_equal(again.text, event->text),
           "and gives the same event");
    free(line);
}

static void demand_result(enum event_kind kind, enum finding finding)
{
    demand(finding != FOUND_WENT_BACK || kind == EVENT_ACKNOWLEDGED,
           "only an acknowledgement goes back");
    demand(finding != FOUND_GAP_END || kind == EVENT_ACKNOWLEDGED,
           "only an acknowledgement ends a gap");
    demand(finding != FOUND_RESTART || kind == EVENT_SERVER, "only another server is a restart");
}

static void add(struct sums *sums, const struct event *event, enum finding finding)
{
    if (finding == FOUND_IMPOSSIBLE)
        return;
    sums->acknowledged += event->kind == EVENT_ACKNOWLEDGED;
    sums->refused += event->kind == EVENT_REFUSED;
    sums->unknown += event->kind == EVENT_UNKNOWN;
    sums->unsent += event->kind == EVENT_UNSENT;
    sums->missed += event->kind == EVENT_MISSED ? event->number : 0;
    sums->backs += finding == FOUND_WENT_BACK;
    sums->restarts += finding == FOUND_RESTART;
    sums->marks += event->kind == EVENT_MARK || event->kind == EVENT_BASELINE;
}

static void demand_latencies(const struct lane *lane)
{
    static const unsigned per_mille[] = {1, 500, 900, 990, 999, 1000};
    int64_t before = 0;
    for (unsigned i = 0; i < sizeof per_mille / sizeof *per_mille; i++) {
        int64_t latency_us = lane_latency_us(lane, per_mille[i]);
        demand(latency_us >= before && latency_us <= lane->longest_us,
               "latencies are in order, up to the longest");
        before = latency_us;
    }
}

static void demand_sums(const struct evidence *evidence, const struct sums *sums, uint64_t open)
{
    struct sums found = {0};
    for (unsigned i = 0; i < LANES_MAX; i++) {
        const struct lane *lane = evidence->lanes[i];
        if (!lane)
            continue;
        found.acknowledged += lane->acknowledged;
        found.refused += lane->refused;
        found.unknown += lane->unknown;
        found.unsent += lane->unsent;
        found.missed += lane->missed;
        demand(lane->sent == lane->acknowledged + lane->refused + lane->unknown,
               "each visit that was sent has an outcome");
        demand_latencies(lane);
    }
    for (unsigned i = 0; i < evidence->pods_count; i++) {
        const struct pod *pod = evidence->pods[i];
        found.backs += pod->backs_count;
        found.restarts += pod->restarts;
        found.marks += pod->baseline.marks_count;
        demand(evidence_pod(evidence, pod->name) == pod, "no two pods have one name");
        for (size_t j = 1; j < pod->visits_count; j++)
            demand(pod->visits[j].received_ms >= pod->visits[j - 1].received_ms &&
                       pod->visits[j].era >= pod->visits[j - 1].era,
                   "visits are in the order of their acknowledgements");
    }
    demand(evidence->in_flight_count == 0, "nothing is under way after the end");
    demand(evidence_acknowledged(evidence) == sums->acknowledged &&
               found.acknowledged == sums->acknowledged,
           "all acknowledged visits are in a lane and of a pod");
    demand(found.refused == sums->refused && found.unsent == sums->unsent &&
               found.missed == sums->missed && found.unknown == sums->unknown + open,
           "all others are in a lane");
    demand(evidence->possible_count == found.refused + found.unknown,
           "those that may be in a file are the refused and the unknown");
    demand(found.backs == sums->backs && found.restarts == sums->restarts &&
               found.marks == sums->marks,
           "all findings are kept");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct evidence evidence;
    struct sums sums = {0};
    uint64_t open = 0;
    const char *bytes = (const char *)data, *end = bytes + size, *newline;
    memset(&evidence, 0, sizeof evidence);
    for (; (newline = memchr(bytes, '\n', (size_t)(end - bytes))); bytes = newline + 1) {
        struct event event;
        size_t length = (size_t)(newline - bytes);
        char *line = copy_exactly(bytes, length + 1);
        if (length <= LEDGER_LINE_MAX && ledger_parse(line, length, &event) == 0) {
            demand_round_trip(&event);
            /* A run ends what was under way. */
            open += event.kind == EVENT_RUN && event.time_us >= evidence.end_us
                        ? evidence.in_flight_count
                        : 0;
            enum finding finding = evidence_take(&evidence, &event);
            demand_result(event.kind, finding);
            add(&sums, &event, finding);
        }
        free(line);
    }
    open += evidence.in_flight_count;
    demand(evidence_end(&evidence) == 0, "there is memory");
    demand_sums(&evidence, &sums, open);
    evidence_free(&evidence);
    return 0;
}
