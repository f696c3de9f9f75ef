#include "prove/comparison.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A request may wait in the queues of a server that hangs, and be recorded long after its client
 * has given up. */
enum { LATE_MS = 600000 };

static int compare_numbers(const void *one, const void *other)
{
    const struct acknowledged *a = one, *b = other;
    return a->number != b->number
               ? (a->number > b->number ? 1 : -1)
               : (a->received_ms > b->received_ms) - (a->received_ms < b->received_ms);
}

static int compare_times(const void *one, const void *other, void *visits)
{
    const struct acknowledged *a = (const struct acknowledged *)visits + *(const uint32_t *)one;
    const struct acknowledged *b = (const struct acknowledged *)visits + *(const uint32_t *)other;
    return a->utc_us != b->utc_us ? (a->utc_us > b->utc_us ? 1 : -1)
                                  : a->offset_minutes - b->offset_minutes;
}

int comparison_begin(struct comparison *comparison, struct evidence *evidence, struct pod *pod)
{
    size_t count = pod->visits_count;
    uint32_t *by_time = malloc((count + 1) * sizeof *by_time);
    if (!by_time)
        return -1;
    *comparison = (struct comparison){.evidence = evidence,
                                      .pod = pod,
                                      .by_time = by_time,
                                      .visits = count,
                                      .last_us = INT64_MIN};
    /* qsort(3) of musl takes linear time for what is in order, as nearly all of them are. */
    qsort(pod->visits, count, sizeof *pod->visits, compare_numbers);
    for (size_t i = 0; i < count; i++) {
        struct acknowledged *visit = &pod->visits[i];
        visit->is_found = visit->is_hole = visit->is_forgiven = 0;
        visit->elsewhere = 0;
        by_time[i] = (uint32_t)i;
    }
    qsort_r(by_time, count, sizeof *by_time, compare_times, pod->visits);
    for (size_t i = 0; i < evidence->possible_count; i++)
        if (evidence->possible[i].recorded_by == pod)
            evidence->possible[i].recorded_by = NULL;
    return 0;
}

/* Does an acknowledged visit have this number and time? */
static bool claim_by_number(struct comparison *comparison, const struct moment *moment)
{
    struct pod *pod = comparison->pod;
    bool is_claimed = false;
    for (; comparison->next < pod->visits_count &&
           pod->visits[comparison->next].number <= comparison->lines;
         comparison->next++) {
        struct acknowledged *visit = &pod->visits[comparison->next];
        if (!is_claimed && moment && visit->number == comparison->lines &&
            visit->utc_us == moment->utc_us && visit->offset_minutes == moment->offset_minutes)
            visit->is_found = is_claimed = true;
    }
    comparison->found += is_claimed;
    return is_claimed;
}

/* The index in `by_time` of the first visit that is not before UTC_US. */
static size_t first_since(const struct comparison *comparison, int64_t utc_us)
{
    size_t from = 0, until = comparison->pod->visits_count;
    while (from < until) {
        size_t middle = from + (until - from) / 2;
        if (comparison->pod->visits[comparison->by_time[middle]].utc_us < utc_us)
            from = middle + 1;
        else
            until = middle;
    }
    return from;
}

/* Does an acknowledged visit of another line have this time? */
static bool claim_by_time(struct comparison *comparison, const struct moment *moment)
{
    struct acknowledged *visits = comparison->pod->visits, *least = NULL;
    for (size_t i = first_since(comparison, moment->utc_us); i < comparison->pod->visits_count;
         i++) {
        struct acknowledged *visit = &visits[comparison->by_time[i]];
        if (visit->utc_us != moment->utc_us)
            break;
        if (visit->offset_minutes == moment->offset_minutes &&
            (!least || visit->elsewhere < least->elsewhere))
            least = visit;
    }
    if (!least || least->elsewhere == 31)
        return false;
    least->elsewhere++;
    comparison->twice++; /* comparison_end() subtracts those that moved */
    return true;
}

/* Could a visit whose outcome is unknown, or that was refused, have been recorded at UTC_US of the
 * server's clock? Takes the unknown first, each once. */
static bool claim_possible(struct comparison *comparison, int64_t utc_us)
{
    const struct pod *pod = comparison->pod;
    struct evidence *evidence = comparison->evidence;
    struct possible *refused = NULL;
    bool is_clock_known = pod->clock_least_us <= pod->clock_most_us;
    /* By the prover's clock the line was written between these. */
    int64_t earliest_ms = (utc_us - pod->clock_most_us - evidence->begin_us) / 1000 - 1;
    int64_t latest_ms = (utc_us - pod->clock_least_us - evidence->begin_us) / 1000 + 1;
    while (comparison->possible_from < evidence->possible_count &&
           evidence->possible[comparison->possible_from].recorded_by)
        comparison->possible_from++;
    for (size_t i = comparison->possible_from; i < evidence->possible_count; i++) {
        struct possible *possible = &evidence->possible[i];
        if (possible->recorded_by ||
            (is_clock_known && (possible->sent_ms > latest_ms ||
                                (int64_t)possible->ended_ms + LATE_MS < earliest_ms)))
            continue;
        if (!possible->is_refused) {
            possible->recorded_by = pod;
            comparison->recorded_unknown++;
            return true;
        }
        refused = refused ? refused : possible;
    }
    if (!refused)
        return false;
    refused->recorded_by = pod;
    comparison->recorded_refused++;
    return true;
}

static bool is_before(const struct comparison *comparison)
{
    const struct pod *pod = comparison->pod;
    if (pod->baseline.is_known)
        return comparison->lines <= pod->baseline.lines;
    return pod->visits_count > 0 && comparison->lines < pod->visits[0].number;
}

static int64_t first_visit_us(const struct comparison *comparison)
{
    return comparison->visits > 0 ? comparison->pod->visits[comparison->by_time[0]].utc_us
                                  : INT64_MAX;
}

static void look_at_first(struct comparison *comparison, const struct moment *moment)
{
    const struct baseline *baseline = &comparison->pod->baseline;
    const char *text = comparison->first_text;
    if (!baseline->is_known || baseline->lines == 0 || strcmp(text, baseline->first) == 0)
        return;
    comparison->history = !moment                                       ? HISTORY_CHANGED
                          : moment->utc_us > first_visit_us(comparison) ? HISTORY_NEW_FILE
                                                                        : HISTORY_OTHER;
    comparison->changed_until = 1;
}

static void look_at_mark(struct comparison *comparison, const char *text)
{
    const struct baseline *baseline = &comparison->pod->baseline;
    if (!baseline->is_known || comparison->history != HISTORY_UNKNOWN ||
        comparison->mark == baseline->marks_count)
        return;
    const struct mark *mark = &baseline->marks[comparison->mark];
    if (comparison->lines != mark->lines)
        return;
    comparison->mark++;
    if (comparison->hash.hash == mark->hash) {
        comparison->same_until = mark->lines;
        memcpy(comparison->same_until_text, text, MOMENT_SIZE);
    } else {
        comparison->history = HISTORY_CHANGED;
        comparison->changed_until = mark->lines;
    }
}

static void remember_last_good(struct comparison *comparison, const char *text)
{
    if (comparison->next > comparison->found)
        return; /* a visit is not on its line */
    comparison->last_good = comparison->lines;
    memcpy(comparison->last_good_text, text, MOMENT_SIZE);
}

static void end_line(struct comparison *comparison)
{
    char text[MOMENT_SIZE] = "";
    struct moment moment;
    comparison->lines++;
    bool is_visit =
        comparison->piece_length == MOMENT_LENGTH && moment_parse(comparison->piece, &moment) == 0;
    if (is_visit)
        memcpy(text, comparison->piece, MOMENT_LENGTH);
    if (comparison->lines == 1) {
        memcpy(comparison->first_text, text, sizeof text);
        comparison->is_numbered = memchr(comparison->piece, '\t', comparison->piece_length) != NULL;
        look_at_first(comparison, is_visit ? &moment : NULL);
    }
    look_at_mark(comparison, text);
    if (is_visit && moment.utc_us > comparison->last_us)
        comparison->last_us = moment.utc_us;
    bool is_claimed = claim_by_number(comparison, is_visit ? &moment : NULL) ||
                      (is_visit && claim_by_time(comparison, &moment));
    if (!is_claimed && is_before(comparison))
        comparison->before++;
    else if (!is_claimed && !(is_visit && claim_possible(comparison, moment.utc_us)))
        comparison->nobodys++;
    remember_last_good(comparison, text);
    comparison->piece_length = 0;
}

static void keep_piece(struct comparison *comparison, const char *bytes, size_t length)
{
    size_t room = sizeof comparison->piece - comparison->piece_length;
    length = length < room ? length : room;
    memcpy(comparison->piece + comparison->piece_length, bytes, length);
    comparison->piece_length += length;
}

void comparison_feed(struct comparison *comparison, const char *bytes, size_t length)
{
    while (length > 0) {
        uint64_t lines = comparison->hash.lines;
        size_t taken = line_hash_feed(&comparison->hash, bytes, length);
        bool is_end = comparison->hash.lines > lines;
        keep_piece(comparison, bytes, taken - is_end);
        if (is_end)
            end_line(comparison);
        bytes += taken;
        length -= taken;
    }
}

/* The time of the last visit that was acknowledged by the process that acknowledged VISIT, before
 * its numbers went back. *RET_MAY_HAVE_ENDED: a restart, a fault or the end of the ledger came
 * then; numbers that go back alone are no excuse. */
static int64_t end_of_process_us(const struct comparison *comparison,
                                 const struct acknowledged *visit, const int64_t *era_ends,
                                 bool *ret_may_have_ended)
{
    const struct pod *pod = comparison->pod;
    int64_t next_start_us = INT64_MAX, end_us = era_ends[visit->era];
    for (unsigned i = 0; i < pod->starts_count; i++)
        if (pod->started_us[i] > visit->utc_us && pod->started_us[i] < next_start_us)
            next_start_us = pod->started_us[i];
    bool is_last_era = visit->era == UINT8_MAX || era_ends[visit->era + 1] == INT64_MIN;
    *ret_may_have_ended =
        is_last_era || next_start_us != INT64_MAX || pod->ended_by_fault[visit->era];
    if (end_us < next_start_us)
        return end_us;
    return pod->visits[comparison->by_time[first_since(comparison, next_start_us) - 1]].utc_us;
}

/* Is there a visit after VISIT, acknowledged by the same process, that was not lost? */
static bool is_hole(const struct pod *pod, const struct acknowledged *visit, int64_t next_us)
{
    if (next_us == INT64_MAX)
        return false;
    for (unsigned i = 0; i < pod->starts_count; i++)
        if (pod->started_us[i] > visit->utc_us && pod->started_us[i] <= next_us)
            return false;
    return true;
}

static void judge_lost(struct comparison *comparison, struct acknowledged *visit, int64_t next_us,
                       const int64_t *era_ends, int64_t grace_us)
{
    visit->is_hole = is_hole(comparison->pod, visit, next_us);
    if (visit->is_hole) {
        comparison->holes++;
        comparison->lost++;
        return;
    }
    bool may_have_ended;
    int64_t before_us =
        end_of_process_us(comparison, visit, era_ends, &may_have_ended) - visit->utc_us;
    if (comparison->tail == 0 || before_us < comparison->tail_least_us)
        comparison->tail_least_us = before_us;
    if (comparison->tail == 0 || before_us > comparison->tail_most_us)
        comparison->tail_most_us = before_us;
    comparison->tail++;
    visit->is_forgiven = may_have_ended && before_us < grace_us;
    *(visit->is_forgiven ? &comparison->forgiven : &comparison->lost) += 1;
}

static void judge_visits(struct comparison *comparison, int64_t grace_us)
{
    struct pod *pod = comparison->pod;
    int64_t era_ends[UINT8_MAX + 1], next_found[UINT8_MAX + 1];
    for (unsigned era = 0; era <= UINT8_MAX; era++) {
        era_ends[era] = INT64_MIN;
        next_found[era] = INT64_MAX;
    }
    for (size_t i = 0; i < pod->visits_count; i++)
        if (pod->visits[i].utc_us > era_ends[pod->visits[i].era])
            era_ends[pod->visits[i].era] = pod->visits[i].utc_us;
    for (size_t i = pod->visits_count; i > 0; i--) {
        struct acknowledged *visit = &pod->visits[i - 1];
        if (visit->is_found || visit->elsewhere > 0) {
            next_found[visit->era] = visit->utc_us;
            comparison->moved += !visit->is_found;
        } else {
            judge_lost(comparison, visit, next_found[visit->era], era_ends, grace_us);
        }
    }
    comparison->twice -= comparison->moved;
}

/* Several visitors may come in the same microsecond. A line with the time of an acknowledged visit
 * is taken for one of another visitor only where so many others came that this is likely. */
static void explain_twice(struct comparison *comparison)
{
    uint64_t others = comparison->nobodys;
    if (comparison->twice == 0)
        return; /* there may be no time to compare with */
    int64_t span_us = comparison->last_us - first_visit_us(comparison);
    if (span_us <= 0)
        return;
    double expected = (double)others * (double)comparison->visits / (double)span_us;
    if (expected < 0.001 || (double)comparison->twice > 3 + 4 * expected)
        return;
    comparison->same_time = comparison->twice;
    comparison->nobodys += comparison->twice;
    comparison->twice = 0;
}

/* Are the lines of the baseline that are not as they were all of visits in the ledger? Then these
 * are judged. Visits with unknown outcomes may have been among them, but only of this run. */
static bool is_history_own(const struct comparison *comparison, uint64_t from)
{
    const struct pod *pod = comparison->pod;
    const struct baseline *baseline = &pod->baseline;
    uint64_t own = 0, possible = 0, first = UINT64_MAX, last = 0;
    for (size_t i = 0; i < pod->visits_count && pod->visits[i].number <= baseline->lines; i++) {
        const struct acknowledged *visit = &pod->visits[i];
        if (visit->received_ms > baseline->noted_ms || visit->number == last)
            continue;
        first = first < visit->number ? first : visit->number;
        own += visit->number > from;
        last = visit->number;
    }
    for (size_t i = 0; i < comparison->evidence->possible_count; i++) {
        const struct possible *visit = &comparison->evidence->possible[i];
        possible +=
            !visit->is_refused && !visit->recorded_by && visit->sent_ms < baseline->noted_ms;
    }
    return first != UINT64_MAX && from + 1 + possible >= first &&
           own + possible >= baseline->lines - from;
}

/* Is a visit there that was acknowledged before the baseline was made? */
static bool has_early_visit(const struct comparison *comparison)
{
    const struct pod *pod = comparison->pod;
    for (size_t i = 0; i < pod->visits_count; i++)
        if (pod->visits[i].received_ms <= pod->baseline.noted_ms &&
            (pod->visits[i].is_found || pod->visits[i].elsewhere > 0))
            return true;
    return false;
}

/* The lines of the baseline that are not as they were. */
static void judge_history(struct comparison *comparison)
{
    const struct baseline *baseline = &comparison->pod->baseline;
    if (!baseline->is_known)
        return;
    if (comparison->history == HISTORY_UNKNOWN)
        comparison->history = comparison->lines >= baseline->lines ? HISTORY_SAME
                              : comparison->lines == 0             ? HISTORY_NEW_FILE
                                                                   : HISTORY_SHORT;
    if ((comparison->history == HISTORY_OTHER || comparison->history == HISTORY_NEW_FILE) &&
        has_early_visit(comparison))
        comparison->history = HISTORY_CHANGED; /* only the first line is another */
    if (comparison->history != HISTORY_SAME)
        comparison->is_history_lost = !is_history_own(
            comparison, comparison->history == HISTORY_SHORT     ? comparison->lines
                        : comparison->history == HISTORY_CHANGED ? comparison->same_until
                                                                 : 0);
}

/* More than what a page cache holds back (dirty_expire_centisecs and dirty_writeback_centisecs of
 * proc_sys_vm(5) are 30 s and 5 s) can only be an older copy. */
static bool is_rolled_back(const struct comparison *comparison)
{
    enum { PAGE_CACHE_US = 60 * 1000000 };
    if (comparison->history == HISTORY_SHORT)
        return true;
    if (comparison->holes > 0 || comparison->tail == 0 || comparison->last_good == 0 ||
        comparison->history == HISTORY_NEW_FILE || comparison->history == HISTORY_OTHER)
        return false;
    return comparison->tail_most_us > PAGE_CACHE_US ||
           (comparison->history == HISTORY_CHANGED && comparison->is_history_lost);
}

void comparison_end(struct comparison *comparison, int64_t grace_us)
{
    judge_visits(comparison, grace_us);
    explain_twice(comparison);
    judge_history(comparison);
    comparison->is_rolled_back = is_rolled_back(comparison);
    comparison->is_exact = true;
    if (comparison->history == HISTORY_CHANGED && comparison->last_good > comparison->same_until) {
        comparison->is_exact = comparison->changed_until == comparison->same_until + 1;
        comparison->last_good = comparison->same_until;
        memcpy(comparison->last_good_text, comparison->same_until_text, MOMENT_SIZE);
    }
    free(comparison->by_time);
    comparison->by_time = NULL;
    assert(comparison->visits ==
           comparison->found + comparison->moved + comparison->lost + comparison->forgiven);
    assert(comparison->lines == comparison->found + comparison->moved + comparison->twice +
                                    comparison->recorded_unknown + comparison->recorded_refused +
                                    comparison->before + comparison->nobodys);
}

const struct acknowledged *comparison_next_lost(const struct pod *pod, size_t *index)
{
    while (*index < pod->visits_count) {
        const struct acknowledged *visit = &pod->visits[(*index)++];
        if (!visit->is_found && visit->elsewhere == 0 && !visit->is_forgiven)
            return visit;
    }
    return NULL;
}
