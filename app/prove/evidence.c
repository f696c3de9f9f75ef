#include "prove/evidence.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Grows a full array by an eighth: realloc(3) of musl moves pages and not
 * bytes, so this is cheap and little is spare. Returns 0, or -1: no memory. */
static int grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return 0;
    size_t more = *room + *room / 8 + 256;
    void *grown = realloc(*(void **)array, more * size);
    if (!grown)
        return -1;
    *(void **)array = grown;
    *room = more;
    return 0;
}

struct pod *evidence_pod(const struct evidence *evidence, const char *name)
{
    for (unsigned i = 0; i < evidence->pods_count; i++)
        if (strcmp(evidence->pods[i]->name, name) == 0)
            return evidence->pods[i];
    return NULL;
}

static struct pod *pod_of(struct evidence *evidence, const char *name)
{
    struct pod *pod = evidence_pod(evidence, name);
    if (pod || evidence->pods_count == PODS_MAX || !(pod = calloc(1, sizeof *pod)))
        return pod;
    (void)strcpy(pod->name, name); /* ledger_parse() has checked its length */
    pod->clock_least_us = INT64_MAX;
    pod->clock_most_us = INT64_MIN;
    evidence->pods[evidence->pods_count++] = pod;
    return pod;
}

static uint32_t relative_ms(const struct evidence *evidence, int64_t time_us)
{
    int64_t ms = (time_us - evidence->begin_us) / 1000;
    return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static enum finding take_lane(struct evidence *evidence, const struct event *event)
{
    if (event->lane >= LANES_MAX || strlen(event->word) >= sizeof evidence->lanes[0]->kind)
        return FOUND_IMPOSSIBLE;
    struct lane **lane = &evidence->lanes[event->lane];
    if (*lane) /* a resumed run says it again */
        return strcmp((*lane)->target, event->text) == 0 && strcmp((*lane)->kind, event->word) == 0
                   ? FOUND_NOTHING
                   : FOUND_IMPOSSIBLE;
    *lane = calloc(1, sizeof **lane);
    if (!*lane || !((*lane)->target = strdup(event->text)))
        return FOUND_NO_MEMORY;
    (void)strcpy((*lane)->kind, event->word);
    return FOUND_NOTHING;
}

static enum finding take_server(struct evidence *evidence, const struct event *event)
{
    struct moment started;
    struct pod *pod = pod_of(evidence, event->pod);
    if (!pod)
        return FOUND_NO_MEMORY;
    if (strlen(event->text) != MOMENT_LENGTH || moment_parse(event->text, &started) != 0 ||
        strlen(event->word) >= sizeof pod->sync)
        return FOUND_IMPOSSIBLE;
    bool is_restart = *pod->started && strcmp(pod->started, event->text) != 0;
    (void)strcpy(pod->sync, event->word);
    (void)strcpy(pod->started, event->text);
    if (!is_restart)
        return FOUND_NOTHING;
    if (pod->starts_count < SERVERS_KEPT)
        pod->started_us[pod->starts_count++] = started.utc_us;
    pod->restarts++;
    return FOUND_RESTART;
}

static enum finding take_baseline(struct evidence *evidence, const struct event *event)
{
    struct pod *pod = pod_of(evidence, event->pod);
    if (!pod)
        return FOUND_NO_MEMORY;
    struct baseline *baseline = &pod->baseline;
    struct mark *before = baseline->marks + baseline->marks_count - 1;
    if (baseline->is_known ||
        (baseline->marks_count > 0 && (event->kind == EVENT_MARK ? before->lines >= event->number
                                                                 : before->lines > event->number)))
        return FOUND_IMPOSSIBLE;
    if (event->kind == EVENT_MARK) {
        if (baseline->marks_count == MARKS_MAX)
            return FOUND_IMPOSSIBLE;
    } else {
        if (strlen(event->word) >= MOMENT_SIZE || strlen(event->text) >= MOMENT_SIZE)
            return FOUND_IMPOSSIBLE;
        baseline->is_known = true;
        baseline->noted_ms = relative_ms(evidence, event->time_us);
        baseline->lines = event->number;
        (void)strcpy(baseline->first, event->word);
        (void)strcpy(baseline->last, event->text);
    }
    baseline->marks[baseline->marks_count++] =
        (struct mark){.lines = event->number, .hash = event->hash};
    return FOUND_NOTHING;
}

/* Removes the visit of EVENT from those in flight. Returns 0 with when it was sent, or -1. */
static int land(struct evidence *evidence, const struct event *event, int64_t *ret_sent_us)
{
    struct in_flight *visit = evidence->in_flight;
    size_t left = evidence->in_flight_count;
    while (left > 0 && visit->id != event->id)
        visit++, left--;
    if (left == 0 || visit->lane != event->lane)
        return -1;
    *ret_sent_us = visit->sent_us;
    memmove(visit, visit + 1, (left - 1) * sizeof *visit);
    evidence->in_flight_count--;
    return 0;
}

static enum finding take_sent(struct evidence *evidence, const struct event *event)
{
    if (event->id < evidence->next_id || event->id == UINT64_MAX)
        return FOUND_IMPOSSIBLE; /* nothing is sent twice */
    if (grow(&evidence->in_flight, evidence->in_flight_count, &evidence->in_flight_room,
             sizeof *evidence->in_flight) != 0)
        return FOUND_NO_MEMORY;
    evidence->in_flight[evidence->in_flight_count++] =
        (struct in_flight){.id = event->id, .sent_us = event->time_us, .lane = event->lane};
    evidence->next_id = event->id + 1;
    evidence->lanes[event->lane]->sent++;
    return FOUND_NOTHING;
}

static void count_reason(struct lane *lane, const struct event *event)
{
    char word[sizeof lane->reasons->word];
    unsigned i = 0;
    if (event->kind == EVENT_REFUSED)
        (void)snprintf(word, sizeof word, "status %llu", (unsigned long long)event->number);
    else
        (void)snprintf(word, sizeof word, "%s", event->word);
    while (i + 1 < REASONS_MAX && *lane->reasons[i].word &&
           strcmp(lane->reasons[i].word, word) != 0)
        i++;
    if (lane->reasons[i].count++ == 0)
        memcpy(lane->reasons[i].word, word, sizeof word);
}

/* A visit was not acknowledged. That the prover itself failed or was ended is no gap. */
static enum finding take_fault(struct evidence *evidence, const struct event *event)
{
    struct lane *lane = evidence->lanes[event->lane];
    count_reason(lane, event);
    if (event->kind != EVENT_REFUSED && strcmp(event->word, "prover") == 0) {
        evidence->own += event->kind == EVENT_UNSENT;
        return FOUND_NOTHING;
    }
    evidence->fault_ms = relative_ms(evidence, event->time_us);
    /* No gap, where others were acknowledged meanwhile: of several addresses one may be dead. */
    int64_t due_us = event->time_us - event->latency_us;
    if (lane->in_gap || lane->last_sent_us > due_us)
        return FOUND_NOTHING;
    lane->in_gap = true;
    lane->gap_since_us = due_us;
    lane->gaps++;
    return FOUND_GAP;
}

static void end_gap(struct lane *lane, int64_t time_us)
{
    int64_t lasted_us = time_us - lane->gap_since_us;
    lane->in_gap = false;
    if (lasted_us > lane->longest_gap_us)
        lane->longest_gap_us = lasted_us;
}

/* The highest number that was acknowledged before SENT_MS, or 0 if that is not known any more. */
static uint64_t highest_before(const struct pod *pod, uint32_t sent_ms)
{
    unsigned oldest = pod->highest_count > HIGHEST_KEPT ? pod->highest_count - HIGHEST_KEPT : 0;
    for (unsigned i = pod->highest_count; i > oldest; i--) {
        const struct highest *highest = &pod->highest[(i - 1) % HIGHEST_KEPT];
        if (highest->end_ms < sent_ms)
            return highest->number;
    }
    return 0;
}

static void note_highest(struct pod *pod, uint64_t number, uint32_t received_ms)
{
    struct highest *last = &pod->highest[(pod->highest_count - 1) % HIGHEST_KEPT];
    bool is_first = pod->highest_count == 0;
    if (!is_first && last->number >= number)
        return;
    if (is_first || received_ms >= last->begin_ms + HIGHEST_MS) {
        last = &pod->highest[pod->highest_count++ % HIGHEST_KEPT];
        last->begin_ms = received_ms;
    }
    last->end_ms = received_ms;
    last->number = number;
}

static unsigned latency_bucket(uint32_t latency_us)
{
    if (latency_us < LATENCY_STEPS)
        return latency_us;
    unsigned power = 31 - (unsigned)__builtin_clz(latency_us); /* at least 5 */
    return (power - 4) * LATENCY_STEPS + (latency_us >> (power - 5)) - LATENCY_STEPS;
}

static uint32_t bucket_latency(unsigned bucket)
{
    if (bucket < LATENCY_STEPS)
        return bucket;
    unsigned power = bucket / LATENCY_STEPS + 4;
    return (uint32_t)((((uint64_t)bucket % LATENCY_STEPS + LATENCY_STEPS + 1) << (power - 5)) - 1);
}

int64_t lane_latency_us(const struct lane *lane, unsigned per_mille)
{
    uint64_t left = (lane->acknowledged * per_mille + 999) / 1000;
    for (unsigned bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        if (left <= lane->latencies[bucket] && lane->acknowledged > 0) {
            int64_t latency_us = bucket_latency(bucket);
            return latency_us < lane->longest_us ? latency_us : lane->longest_us;
        }
        left -= lane->latencies[bucket];
    }
    return 0;
}

static void observe_clock(struct pod *pod, int64_t utc_us, int64_t sent_us, int64_t received_us)
{
    if (utc_us - received_us < pod->clock_least_us)
        pod->clock_least_us = utc_us - received_us;
    if (utc_us - sent_us > pod->clock_most_us)
        pod->clock_most_us = utc_us - sent_us;
}

static void note_back(struct pod *pod, uint64_t from, const struct event *event)
{
    pod->last_back = (struct went_back){from, event->number, event->time_us};
    if (pod->backs_count == 0)
        pod->first_back = pod->last_back;
    pod->backs_count++;
}

static enum finding take_acknowledged(struct evidence *evidence, const struct event *event,
                                      int64_t sent_us)
{
    struct lane *lane = evidence->lanes[event->lane];
    struct moment moment = {0};
    struct pod *pod = pod_of(evidence, event->pod);
    if (!pod || grow(&pod->visits, pod->visits_count, &pod->visits_room, sizeof *pod->visits) != 0)
        return FOUND_NO_MEMORY;
    (void)moment_parse(event->text, &moment); /* ledger_parse() has checked it */
    struct acknowledged visit = {
        .utc_us = moment.utc_us,
        .number = event->number,
        .received_ms = relative_ms(evidence, event->time_us),
        .latency_us = event->latency_us < UINT32_MAX ? (uint32_t)event->latency_us : UINT32_MAX,
        .offset_minutes = moment.offset_minutes,
        .era = pod->visits_count > 0 ? pod->visits[pod->visits_count - 1].era : 0,
    };
    uint64_t highest = highest_before(pod, relative_ms(evidence, sent_us));
    bool is_back = highest >= visit.number;
    if (is_back) {
        note_back(pod, highest, event);
        pod->ended_by_fault[visit.era] =
            evidence->fault_ms >= pod->visits[pod->visits_count - 1].received_ms;
        pod->highest_count = 0;
        if (visit.era < UINT8_MAX)
            visit.era++;
    }
    note_highest(pod, visit.number, visit.received_ms);
    pod->visits[pod->visits_count++] = visit;
    observe_clock(pod, visit.utc_us, sent_us, event->time_us);
    lane->acknowledged++;
    if (sent_us > lane->last_sent_us)
        lane->last_sent_us = sent_us;
    lane->latencies[latency_bucket(visit.latency_us >> 31 ? UINT32_MAX >> 1 : visit.latency_us)]++;
    if (event->latency_us > lane->longest_us)
        lane->longest_us = event->latency_us;
    if (is_back)
        return FOUND_WENT_BACK;
    if (!lane->in_gap || sent_us < lane->gap_since_us)
        return FOUND_NOTHING;
    end_gap(lane, event->time_us);
    return FOUND_GAP_END;
}

static enum finding take_possible(struct evidence *evidence, const struct event *event,
                                  int64_t sent_us)
{
    struct lane *lane = evidence->lanes[event->lane];
    bool is_refused = event->kind == EVENT_REFUSED;
    if (grow(&evidence->possible, evidence->possible_count, &evidence->possible_room,
             sizeof *evidence->possible) != 0)
        return FOUND_NO_MEMORY;
    evidence->possible[evidence->possible_count++] =
        (struct possible){.sent_ms = relative_ms(evidence, sent_us),
                          .ended_ms = relative_ms(evidence, event->time_us),
                          .is_refused = is_refused};
    *(is_refused ? &lane->refused : &lane->unknown) += 1;
    evidence->cut += event->kind == EVENT_UNKNOWN && strcmp(event->word, "cut") == 0;
    return take_fault(evidence, event);
}

static enum finding take_outcome(struct evidence *evidence, const struct event *event)
{
    int64_t sent_us = 0;
    if (event->kind == EVENT_ACKNOWLEDGED && event->number == 0)
        return FOUND_IMPOSSIBLE;
    if (land(evidence, event, &sent_us) != 0 || sent_us > event->time_us)
        return FOUND_IMPOSSIBLE;
    return event->kind == EVENT_ACKNOWLEDGED ? take_acknowledged(evidence, event, sent_us)
                                             : take_possible(evidence, event, sent_us);
}

enum finding evidence_take(struct evidence *evidence, const struct event *event)
{
    if (evidence->begin_us == 0)
        evidence->begin_us = evidence->end_us = event->time_us;
    if (event->time_us < evidence->end_us)
        return FOUND_IMPOSSIBLE;
    evidence->end_us = event->time_us;
    bool is_of_lane = event->kind >= EVENT_SENT && event->kind <= EVENT_MISSED;
    if (is_of_lane && (event->lane >= LANES_MAX || !evidence->lanes[event->lane]))
        return FOUND_IMPOSSIBLE;
    switch (event->kind) {
    case EVENT_RUN:
        return evidence_end(evidence) == 0 ? FOUND_NOTHING : FOUND_NO_MEMORY;
    case EVENT_LANE:
        return take_lane(evidence, event);
    case EVENT_SERVER:
        return take_server(evidence, event);
    case EVENT_MARK:
    case EVENT_BASELINE:
        return take_baseline(evidence, event);
    case EVENT_SENT:
        return take_sent(evidence, event);
    case EVENT_ACKNOWLEDGED:
    case EVENT_REFUSED:
    case EVENT_UNKNOWN:
        return take_outcome(evidence, event);
    case EVENT_UNSENT:
        evidence->lanes[event->lane]->unsent++;
        return take_fault(evidence, event);
    case EVENT_MISSED:
        evidence->lanes[event->lane]->missed += event->number;
        return FOUND_NOTHING;
    default:
        return FOUND_NOTHING;
    }
}

int evidence_end(struct evidence *evidence)
{
    while (evidence->in_flight_count > 0) {
        struct in_flight last = evidence->in_flight[evidence->in_flight_count - 1];
        struct event event = {.kind = EVENT_UNKNOWN,
                              .id = last.id,
                              .lane = last.lane,
                              .time_us = evidence->end_us,
                              .latency_us = evidence->end_us - last.sent_us,
                              .word = "prover"};
        enum finding finding = evidence_take(evidence, &event);
        assert(finding != FOUND_IMPOSSIBLE);
        if (finding == FOUND_NO_MEMORY)
            return -1;
    }
    for (unsigned i = 0; i < LANES_MAX; i++)
        if (evidence->lanes[i] && evidence->lanes[i]->in_gap)
            end_gap(evidence->lanes[i], evidence->end_us);
    return 0;
}

uint64_t evidence_acknowledged(const struct evidence *evidence)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < evidence->pods_count; i++)
        count += evidence->pods[i]->visits_count;
    return count;
}

void evidence_free(struct evidence *evidence)
{
    for (unsigned i = 0; i < evidence->pods_count; i++) {
        free(evidence->pods[i]->visits);
        free(evidence->pods[i]);
    }
    for (unsigned i = 0; i < LANES_MAX; i++) {
        if (evidence->lanes[i])
            free(evidence->lanes[i]->target);
        free(evidence->lanes[i]);
    }
    free(evidence->in_flight);
    free(evidence->possible);
}
