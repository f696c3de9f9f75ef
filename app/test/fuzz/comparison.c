/* Fuzzes prove/comparison.c and prove/baseline.c with the visits of a ledger and a file: the sums
 * add up, they are those of a count one by one, and pieces of any size give the same.
 *
 * The input: the number of visits, the grace, and how the file is cut into pieces; for each visit a
 * byte for its number and one for its time; then a byte for each line of the file. */
#include "prove/comparison.h"
#include "demand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VISITS_MAX = 64, FILE_MAX = 1 << 17 };

static struct evidence evidence;
static char file[FILE_MAX];
static size_t length;

static void take(const char *line)
{
    struct event event;
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", line);
    if (ledger_parse(copy, strlen(copy), &event) == 0)
        (void)evidence_take(&evidence, &event);
}

static void put_time(unsigned unit)
{
    struct moment moment = {INT64_C(1669593600000000) + INT64_C(500000) * unit, 60};
    moment_write(&moment, file + length);
    length += MOMENT_LENGTH;
}

/* 10 visits a second; some of them restart the server, are refused, or have no outcome. */
static void plant_visits(const uint8_t *data, unsigned count)
{
    char line[512], time[MOMENT_SIZE];
    take("lane\t1\t0\tnew\thttp://web/");
    take("server\t1\tweb-0\tnone\t2022-11-27 23:00:00.000000+00:00");
    for (unsigned i = 0; i < count; i++) {
        unsigned long long now_us = 1000000ULL + 100000ULL * i;
        unsigned number = data[2 * i], unit = data[2 * i + 1];
        struct moment moment = {INT64_C(1669593600000000) + INT64_C(500000) * unit, 60};
        moment_write(&moment, time);
        if (number >= 0xf8) {
            (void)snprintf(line, sizeof line, "server\t%llu\tweb-0\tnone\t%s", now_us, time);
            take(line);
            continue;
        }
        (void)snprintf(line, sizeof line, "sent\t%llu\t%u\t0", now_us, i);
        take(line);
        if (number >= 0xf0)
            (void)snprintf(line, sizeof line, "unknown\t%llu\t%u\t0\tcut\t5", now_us + 10000, i);
        else if (number >= 0xe8)
            (void)snprintf(line, sizeof line, "refused\t%llu\t%u\t0\t503\t5", now_us + 10000, i);
        else
            (void)snprintf(line, sizeof line, "acknowledged\t%llu\t%u\t0\tweb-0\t%u\t%s\t5",
                           now_us + 10000, i, number + 1, time);
        take(line);
    }
}

/* Below 0xf0 a line with that time. */
static void plant_file(const uint8_t *data, size_t size)
{
    length = 0;
    for (size_t i = 0; i < size && length + 2 * MOMENT_SIZE < sizeof file; i++) {
        if (data[i] < 0xf0)
            put_time(data[i]);
        if (data[i] == 0xf0)
            file[length++] = '\t';
        if (data[i] >= 0xf1 && data[i] < 0xf8)
            file[length++] = '\0';
        if (data[i] < 0xf0 || data[i] >= 0xf4)
            file[length++] = '\n';
    }
}

/* The baseline of the first LINES lines, with one byte changed if IS_OTHER. */
static void plant_baseline(uint64_t lines, bool is_other)
{
    static struct baseline baseline;
    struct baseline_maker maker;
    struct pod *pod = evidence_pod(&evidence, "web-0");
    const char *end = file, *newline;
    while (lines-- > 0 && (newline = memchr(end, '\n', length - (size_t)(end - file))))
        end = newline + 1;
    baseline_begin(&maker, &baseline);
    baseline_feed(&maker, file, (size_t)(end - file) / 2);
    baseline_feed(&maker, file + (end - file) / 2, (size_t)(end - file) - (size_t)(end - file) / 2);
    baseline_end(&maker);
    demand(baseline.marks_count >= 1 && baseline.marks_count <= MARKS_MAX + 1 &&
               baseline.marks[baseline.marks_count - 1].lines == baseline.lines,
           "the last mark is of all lines");
    if (is_other)
        baseline.marks[baseline.marks_count / 2].hash++;
    baseline.noted_ms = pod->baseline.noted_ms;
    pod->baseline = baseline;
}

static struct comparison compare(size_t piece, int64_t grace_us)
{
    struct comparison comparison;
    demand(comparison_begin(&comparison, &evidence, evidence.pods[0]) == 0, "there is memory");
    char *bytes = copy_exactly(file, length);
    for (size_t at = 0; at < length; at += piece)
        comparison_feed(&comparison, bytes + at, length - at < piece ? length - at : piece);
    free(bytes);
    comparison_end(&comparison, grace_us);
    return comparison;
}

static void demand_same(const struct comparison *a, const struct comparison *b)
{
    demand(a->found == b->found && a->moved == b->moved && a->lost == b->lost &&
               a->forgiven == b->forgiven && a->lines == b->lines && a->twice == b->twice &&
               a->recorded_unknown == b->recorded_unknown &&
               a->recorded_refused == b->recorded_refused && a->before == b->before &&
               a->nobodys == b->nobodys && a->holes == b->holes && a->tail == b->tail,
           "pieces of any size give the same sums");
    demand(a->history == b->history && a->same_until == b->same_until &&
               a->is_history_lost == b->is_history_lost && a->is_rolled_back == b->is_rolled_back &&
               a->last_good == b->last_good && strcmp(a->last_good_text, b->last_good_text) == 0 &&
               strcmp(a->first_text, b->first_text) == 0,
           "and the same diagnosis");
}

/* Is there a line with the time of VISIT, or with ITS_LINE one that is its own? */
static bool has_line(const struct acknowledged *visit, bool its_line)
{
    struct moment moment = {visit->utc_us, visit->offset_minutes};
    char text[MOMENT_SIZE];
    uint64_t number = 0;
    const char *line = file, *newline;
    moment_write(&moment, text);
    for (; (newline = memchr(line, '\n', length - (size_t)(line - file))); line = newline + 1)
        if (++number && newline - line == MOMENT_LENGTH && memcmp(line, text, MOMENT_LENGTH) == 0 &&
            (!its_line || number == visit->number))
            return true;
    return false;
}

static void demand_sums(const struct comparison *result)
{
    const struct pod *pod = evidence.pods[0];
    uint64_t on_line = 0, nowhere = 0, lost = 0;
    for (size_t i = 0; i < pod->visits_count; i++) {
        on_line += has_line(&pod->visits[i], true);
        nowhere += !has_line(&pod->visits[i], false);
    }
    for (size_t index = 0; comparison_next_lost(pod, &index); lost++)
        ;
    demand(result->visits == pod->visits_count, "no visit is left out");
    demand(result->visits == result->found + result->moved + result->lost + result->forgiven,
           "the visits add up");
    demand(result->lines == result->found + result->moved + result->twice +
                                result->recorded_unknown + result->recorded_refused +
                                result->before + result->nobodys,
           "the lines add up");
    demand(result->holes + result->tail == result->lost + result->forgiven,
           "what is not there is a hole or a tail");
    demand(result->found <= on_line && result->lost + result->forgiven >= nowhere,
           "nothing is found that is not there");
    demand(result->found > 0 || on_line == 0, "what is there is found");
    demand(lost == result->lost, "the lost visits are named");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    unsigned count = data[0] % VISITS_MAX;
    if (size < 4 + 2 * (size_t)count)
        return 0;
    int64_t grace_us = INT64_C(250000) * (data[1] % 16);
    size_t piece = data[2] + 1U;
    memset(&evidence, 0, sizeof evidence);
    plant_visits(data + 4, count);
    plant_file(data + 4 + 2 * count, size - 4 - 2 * count);
    if (data[3] & 1)
        plant_baseline(data[3] / 4, data[3] & 2);
    demand(evidence_end(&evidence) == 0, "there is memory");
    if (evidence.pods[0]->visits_count > 0) { /* else there is nothing to compare */
        struct comparison whole = compare(sizeof file, grace_us), pieces = compare(piece, grace_us);
        demand_same(&whole, &pieces);
        demand_sums(&pieces);
    }
    evidence_free(&evidence);
    return 0;
}
