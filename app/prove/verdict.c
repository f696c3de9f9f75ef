#include "prove/verdict.h"

#include "base/io.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Text that is written to `fd` when its buffer is full, each line after `prefix`. */
struct output {
    int fd, error;
    const char *prefix;
    bool is_mid_line;
    struct text text;
    char buffer[4096];
};

enum { OUTPUT_LINE_MAX = 3072 };

static void output_write(struct output *output, const char *bytes, size_t length)
{
    if (!output->error && write_all(output->fd, bytes, length, NULL) != 0)
        output->error = -1;
}

static void output_flush(struct output *output)
{
    const char *bytes = output->text.data, *end = bytes + output->text.length;
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *next = newline && *output->prefix ? newline + 1 : end;
        if (!output->is_mid_line)
            output_write(output, output->prefix, strlen(output->prefix));
        output_write(output, bytes, (size_t)(next - bytes));
        output->is_mid_line = next[-1] != '\n';
        bytes = next;
    }
    output->text = text_begin(output->buffer, sizeof output->buffer);
}

/* Returns a text with room for OUTPUT_LINE_MAX more bytes. */
static struct text *room(struct output *output)
{
    if (output->text.size - output->text.length < OUTPUT_LINE_MAX)
        output_flush(output);
    return &output->text;
}

void put_duration(struct text *text, int64_t us)
{
    if (us == 0)
        text_string(text, "0 s");
    else if (us < 100000)
        text_printf(text, "%lld.%lld ms", (long long)us / 1000, (long long)us % 1000 / 100);
    else if (us < 600000000)
        text_printf(text, "%lld.%lld s", (long long)us / 1000000, (long long)us % 1000000 / 100000);
    else
        text_printf(text, "%lld min", (long long)us / 60000000);
}

void proof_set_grace(const struct proof *proof, struct pod_proof *pod)
{
    const char *sync = pod->pod->sync;
    pod->grace_us = proof->grace_us != INT64_MAX    ? proof->grace_us
                    : strcmp(sync, "interval") == 0 ? INT64_C(2000000)
                    : strcmp(sync, "none") == 0     ? INT64_C(35000000)
                                                    : 0;
}

static uint64_t faults(const struct evidence *evidence)
{
    uint64_t count = evidence->cut;
    for (unsigned i = 0; i < LANES_MAX; i++)
        count += evidence->lanes[i] ? evidence->lanes[i]->gaps : 0;
    for (unsigned i = 0; i < evidence->pods_count; i++)
        count += evidence->pods[i]->restarts;
    return count;
}

/* Numbers that go back are lost visits. Within the grace they are expected. */
static bool went_back(const struct pod_proof *pod)
{
    bool is_forgiven = pod->is_read ? pod->comparison.forgiven > 0 : pod->grace_us > 0;
    return pod->pod->backs_count > 0 && !is_forgiven;
}

static bool is_lost(const struct proof *proof, const struct pod_proof *pod)
{
    const struct comparison *result = &pod->comparison;
    return went_back(pod) ||
           (pod->is_read && (result->lost > 0 || result->moved > 0 || result->twice > 0 ||
                             result->is_history_lost || (proof->is_alone && result->nobodys > 0)));
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Says in a few words what happened to the file. */
static void put_diagnosis(struct text *text, const struct proof *proof, const struct pod_proof *pod)
{
    const struct comparison *result = &pod->comparison;
    const struct baseline *baseline = &pod->pod->baseline;
    const char *separator = "";
#define SAY(...) (text_string(text, separator), text_printf(text, __VA_ARGS__), separator = ", ")
    if (result->history == HISTORY_NEW_FILE && result->lines == 0)
        SAY("wiped: its file is empty");
    else if (result->history == HISTORY_NEW_FILE)
        SAY("wiped: its file begins anew at %s", result->first_text);
    else if (result->history == HISTORY_OTHER)
        SAY("another volume: its file begins with %s and not with %s", result->first_text,
            baseline->first);
    else if (result->is_rolled_back)
        SAY(result->is_exact ? "rolled back to line %llu of %s"
                             : "rolled back to line %llu of %s, or a little later",
            (unsigned long long)result->last_good, result->last_good_text);
    else if (result->history == HISTORY_CHANGED && result->is_history_lost)
        SAY(result->same_until + 1 < result->changed_until
                ? "history changed between line %llu and line %llu"
                : "history changed at line %llu",
            (unsigned long long)result->same_until + 1, (unsigned long long)result->changed_until);
    else if (result->tail > result->forgiven)
        SAY("the last %llu acknowledged are missing (lost tail)",
            (unsigned long long)(result->tail - result->forgiven));
    if (result->holes > 0)
        SAY("%llu missing between others (holes)", (unsigned long long)result->holes);
    if (result->moved > 0)
        SAY("%llu on another line", (unsigned long long)result->moved);
    if (result->twice > 0)
        SAY("%llu twice", (unsigned long long)result->twice);
    if (went_back(pod))
        SAY("its numbers went back from %llu to %llu",
            (unsigned long long)pod->pod->first_back.from,
            (unsigned long long)pod->pod->first_back.to);
    if (proof->is_alone && result->nobodys > 0)
        SAY("%llu line%s of nobody", (unsigned long long)result->nobodys, plural(result->nobodys));
#undef SAY
}

/* The budgets. Returns whether one is exceeded. */
static bool put_budget(struct text *text, const struct proof *proof)
{
    uint64_t refused = 0;
    int64_t longest_us = 0;
    for (unsigned i = 0; i < LANES_MAX; i++) {
        const struct lane *lane = proof->evidence->lanes[i];
        if (!lane)
            continue;
        refused += lane->refused;
        longest_us = lane->longest_gap_us > longest_us ? lane->longest_gap_us : longest_us;
    }
    if (longest_us > proof->max_gap_us) {
        text_string(text, "a gap of ");
        put_duration(text, longest_us);
        text_string(text, " is longer than --max-gap");
        return true;
    }
    if (refused > proof->max_refused) {
        text_printf(text, "%llu visits were refused, more than --max-refused",
                    (unsigned long long)refused);
        return true;
    }
    return false;
}

/* Returns whether something keeps the run from proving anything. */
static bool put_obstacle(struct text *text, const struct proof *proof)
{
    const struct evidence *evidence = proof->evidence;
    unsigned unread = 0;
    const char *name = "";
    for (unsigned i = 0; i < proof->pods_count; i++) {
        unread += !proof->pods[i].is_read;
        name = proof->pods[i].is_read || *name ? name : proof->pods[i].pod->name;
    }
    if (proof->failure) {
        text_string(text, proof->failure);
        return true;
    }
    if (evidence->own > 0) {
        text_printf(text,
                    "the prover lacked memory or descriptors for %llu visits; give a lower --rate",
                    (unsigned long long)evidence->own);
        return true;
    }
    if (evidence_acknowledged(evidence) == 0) {
        text_string(text, "no visit was acknowledged");
        return true;
    }
    for (unsigned i = 0; i < LANES_MAX; i++) {
        if (!evidence->lanes[i] || evidence->lanes[i]->acknowledged > 0)
            continue;
        text_printf(text, "no visit to %s over %s connections was acknowledged",
                    evidence->lanes[i]->target, evidence->lanes[i]->kind);
        return true;
    }
    if (unread > 0) {
        text_printf(text, "the file of %s could not be read", name);
        if (unread > 1)
            text_printf(text, ", nor those of %u other pods", unread - 1);
        text_string(text, "; when it is back, try again with --check");
        return true;
    }
    if (proof->requires_fault && faults(evidence) == 0) {
        text_string(text,
                    "no gap, cut connection or restart was seen, and --require-fault asks for one");
        return true;
    }
    return false;
}

static void put_proven(struct text *text, const struct proof *proof)
{
    const struct evidence *evidence = proof->evidence;
    uint64_t visits = evidence_acknowledged(evidence), gaps = 0, forgiven = 0;
    unsigned restarts = 0;
    int64_t longest_us = 0;
    for (unsigned i = 0; i < LANES_MAX; i++) {
        gaps += evidence->lanes[i] ? evidence->lanes[i]->gaps : 0;
        if (evidence->lanes[i] && evidence->lanes[i]->longest_gap_us > longest_us)
            longest_us = evidence->lanes[i]->longest_gap_us;
    }
    for (unsigned i = 0; i < proof->pods_count; i++) {
        restarts += proof->pods[i].pod->restarts;
        forgiven += proof->pods[i].comparison.forgiven;
    }
    text_printf(text,
                "%llu acknowledged visit%s in the file%s of %u pod%s, each once and on its line, ",
                (unsigned long long)(visits - forgiven), visits - forgiven == 1 ? " is" : "s are",
                plural(proof->pods_count), proof->pods_count, plural(proof->pods_count));
    if (forgiven > 0)
        text_printf(text, "%llu lost within the grace, ", (unsigned long long)forgiven);
    if (faults(evidence) == 0) {
        text_string(text, "but no fault was seen");
        return;
    }
    text_printf(text, "through %u restart%s and %llu gap%s", restarts, plural(restarts),
                (unsigned long long)gaps, plural(gaps));
    if (longest_us > 0) {
        text_string(text, ", the longest of ");
        put_duration(text, longest_us);
    }
}

enum verdict proof_verdict(const struct proof *proof, struct text *line)
{
    uint64_t lost = 0;
    const struct pod_proof *first = NULL;
    unsigned pods = 0;
    for (unsigned i = 0; i < proof->pods_count; i++) {
        if (!is_lost(proof, &proof->pods[i]))
            continue;
        lost += proof->pods[i].comparison.lost;
        first = first ? first : &proof->pods[i];
        pods++;
    }
    if (first) {
        text_printf(line,
                    "LOST: %llu of %llu acknowledged visits; pod %s: ", (unsigned long long)lost,
                    (unsigned long long)evidence_acknowledged(proof->evidence), first->pod->name);
        put_diagnosis(line, proof, first);
        if (pods > 1)
            text_printf(line, "; %u pods in all", pods);
        return VERDICT_LOST;
    }
    size_t start = line->length;
    text_string(line, "NOT PROVEN: ");
    if (put_obstacle(line, proof))
        return VERDICT_NOT_PROVEN;
    line->length = start;
    text_string(line, "OVER BUDGET: ");
    if (put_budget(line, proof))
        return VERDICT_OVER_BUDGET;
    line->length = start;
    text_string(line, "PROVEN: ");
    put_proven(line, proof);
    return VERDICT_PROVEN;
}

static uint64_t due(const struct lane *lane)
{
    return lane->acknowledged + lane->refused + lane->unknown + lane->unsent + lane->missed;
}

static void put_lane(struct text *text, const struct lane *lane)
{
    static const struct {
        const char *name;
        unsigned per_mille;
    } parts[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}};
    text_printf(text,
                "%s over %s connections: %llu visits due = %llu acknowledged + %llu refused + %llu "
                "unknown + %llu not sent + %llu missed\n",
                lane->target, lane->kind, (unsigned long long)due(lane),
                (unsigned long long)lane->acknowledged, (unsigned long long)lane->refused,
                (unsigned long long)lane->unknown, (unsigned long long)lane->unsent,
                (unsigned long long)lane->missed);
    if (lane->acknowledged > 0) {
        text_string(text, "  latency since it was due: ");
        for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
            text_printf(text, "%s ", parts[i].name);
            put_duration(text, lane_latency_us(lane, parts[i].per_mille));
            text_string(text, ", ");
        }
        text_string(text, "max ");
        put_duration(text, lane->longest_us);
        text_string(text, "\n");
    }
    for (unsigned i = 0; i < REASONS_MAX && *lane->reasons[i].word; i++)
        text_printf(text, "%s%llu %s", i > 0 ? ", " : "  not acknowledged: ",
                    (unsigned long long)lane->reasons[i].count, lane->reasons[i].word);
    if (*lane->reasons[0].word)
        text_string(text, "\n");
    if (lane->gaps > 0) {
        text_printf(text, "  %llu gap%s, the longest of ", (unsigned long long)lane->gaps,
                    plural(lane->gaps));
        put_duration(text, lane->longest_gap_us);
        text_string(text, "\n");
    }
}

/* Calls PUT for each interval of the numbers of the lost visits. Returns how many there are. */
static unsigned each_interval(const struct pod *pod, unsigned most, struct output *output,
                              void (*put)(struct text *, unsigned, uint64_t, uint64_t))
{
    const struct acknowledged *visit;
    uint64_t first = 0, last = 0;
    unsigned count = 0;
    size_t index = 0;
    do {
        visit = comparison_next_lost(pod, &index);
        if (last > 0 && visit && (visit->number == last || visit->number == last + 1)) {
            last = visit->number;
            continue;
        }
        if (last > 0 && count++ < most)
            put(room(output), count, first, last);
        first = last = visit ? visit->number : 0;
    } while (visit);
    return count;
}

static void put_interval(struct text *text, unsigned count, uint64_t first, uint64_t last)
{
    text_printf(text, "%s%llu", count > 1 ? ", " : "", (unsigned long long)first);
    if (last > first)
        text_printf(text, "-%llu", (unsigned long long)last);
}

static void put_history(struct text *text, const struct pod_proof *pod)
{
    const struct baseline *baseline = &pod->pod->baseline;
    if (pod->comparison.history == HISTORY_UNKNOWN)
        text_string(text,
                    "  history: not compared, since the file was not read at the beginning\n");
    else if (pod->comparison.history == HISTORY_SAME)
        text_printf(text, "  history: the first %llu line%s as at the beginning\n",
                    (unsigned long long)baseline->lines, baseline->lines == 1 ? " is" : "s are");
}

static void write_pod(struct output *output, const struct proof *proof, const struct pod_proof *pod)
{
    enum { INTERVALS = 8 };
    const struct comparison *result = &pod->comparison;
    struct text *text = room(output);
    text_printf(text, "pod %s", pod->pod->name);
    if (*pod->pod->sync)
        text_printf(text, ", sync=%s", pod->pod->sync);
    if (pod->pod->restarts > 0)
        text_printf(text, ", %u restart%s", pod->pod->restarts, plural(pod->pod->restarts));
    if (!pod->is_read) {
        text_printf(text, ": %zu acknowledged; its file was not read\n", pod->pod->visits_count);
        return;
    }
    text_printf(text,
                ": %llu acknowledged = %llu found + %llu moved + %llu lost + %llu lost within the "
                "grace of ",
                (unsigned long long)result->visits, (unsigned long long)result->found,
                (unsigned long long)result->moved, (unsigned long long)result->lost,
                (unsigned long long)result->forgiven);
    put_duration(text, pod->grace_us);
    text_printf(
        text,
        "\n  file: %llu lines = %llu found + %llu moved + %llu twice + %llu unknown, recorded + "
        "%llu refused, recorded + %llu before + %llu nobody's\n",
        (unsigned long long)result->lines, (unsigned long long)result->found,
        (unsigned long long)result->moved, (unsigned long long)result->twice,
        (unsigned long long)result->recorded_unknown, (unsigned long long)result->recorded_refused,
        (unsigned long long)result->before, (unsigned long long)result->nobodys);
    put_history(text, pod);
    if (result->same_time > 0)
        text_printf(text,
                    "  %llu lines have the time of an acknowledged visit; other visitors may "
                    "have come in the same microsecond\n",
                    (unsigned long long)result->same_time);
    if (result->tail > 0) {
        text_printf(text, "  the last %llu: acknowledged ", (unsigned long long)result->tail);
        put_duration(text, result->tail_least_us);
        text_string(text, " to ");
        put_duration(text, result->tail_most_us);
        text_string(text, " before their process responded for the last time\n");
    }
    if (!is_lost(proof, pod))
        return;
    text_string(text, "  ");
    put_diagnosis(text, proof, pod);
    text_string(text, "\n");
    if (result->lost == 0)
        return;
    text_string(text, "  lost: ");
    unsigned count = each_interval(pod->pod, INTERVALS, output, put_interval);
    text_printf(room(output), "%s\n", count > INTERVALS ? ", ..." : "");
}

static void put_string(struct text *text, const char *string)
{
    text_string(text, "\"");
    text_json(text, string);
    text_string(text, "\"");
}

/* Appends ", "name": number" for each of the pairs. */
struct member {
    const char *name;
    uint64_t number;
};

static void put_members(struct text *text, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_printf(text, ", \"%s\": %llu", members[i].name, (unsigned long long)members[i].number);
}

#define PUT_MEMBERS(text, ...)                                                                     \
    put_members(text, (const struct member[]){__VA_ARGS__},                                        \
                sizeof((const struct member[]){__VA_ARGS__}) / sizeof(struct member))

static void put_lane_json(struct text *text, const struct lane *lane)
{
    text_string(text, "{\"url\": ");
    put_string(text, lane->target);
    text_string(text, ", \"connections\": ");
    put_string(text, lane->kind);
    PUT_MEMBERS(
        text, {"due", due(lane)}, {"acknowledged", lane->acknowledged}, {"refused", lane->refused},
        {"unknown", lane->unknown}, {"unsent", lane->unsent}, {"missed", lane->missed},
        {"gaps", lane->gaps}, {"longest_gap_us", (uint64_t)lane->longest_gap_us},
        {"p50_us", (uint64_t)lane_latency_us(lane, 500)},
        {"p90_us", (uint64_t)lane_latency_us(lane, 900)},
        {"p99_us", (uint64_t)lane_latency_us(lane, 990)},
        {"p999_us", (uint64_t)lane_latency_us(lane, 999)}, {"max_us", (uint64_t)lane->longest_us});
    text_string(text, "}");
}

static void put_interval_json(struct text *text, unsigned count, uint64_t first, uint64_t last)
{
    text_printf(text, "%s[%llu, %llu]", count > 1 ? ", " : "", (unsigned long long)first,
                (unsigned long long)last);
}

static void write_pod_json(struct output *output, const struct proof *proof,
                           const struct pod_proof *pod)
{
    static const char histories[][12] = {
        [HISTORY_UNKNOWN] = "unknown",  [HISTORY_SAME] = "same",
        [HISTORY_SHORT] = "short",      [HISTORY_NEW_FILE] = "new file",
        [HISTORY_OTHER] = "other file", [HISTORY_CHANGED] = "changed"};
    const struct comparison *result = &pod->comparison;
    struct text *text = room(output);
    text_string(text, "{\"name\": ");
    put_string(text, pod->pod->name);
    text_string(text, ", \"sync\": ");
    put_string(text, pod->pod->sync);
    text_printf(text, ", \"read\": %s", pod->is_read ? "true" : "false");
    PUT_MEMBERS(text, {"restarts", pod->pod->restarts}, {"went_back", pod->pod->backs_count},
                {"grace_us", (uint64_t)pod->grace_us}, {"acknowledged", pod->pod->visits_count});
    if (!pod->is_read) {
        text_string(text, "}");
        return;
    }
    PUT_MEMBERS(text, {"found", result->found}, {"moved", result->moved}, {"lost", result->lost},
                {"lost_within_grace", result->forgiven}, {"lines", result->lines},
                {"twice", result->twice}, {"unknown_recorded", result->recorded_unknown},
                {"refused_recorded", result->recorded_refused}, {"before", result->before},
                {"nobodys", result->nobodys}, {"holes", result->holes}, {"tail", result->tail},
                {"tail_least_us", (uint64_t)result->tail_least_us},
                {"tail_most_us", (uint64_t)result->tail_most_us});
    text_string(text, ", \"history\": ");
    put_string(text, histories[result->history]);
    text_string(text, ", \"diagnosis\": \"");
    if (is_lost(proof, pod))
        put_diagnosis(text, proof, pod);
    text_string(text, "\", \"lost_numbers\": [");
    (void)each_interval(pod->pod, UINT32_MAX, output, put_interval_json);
    text_string(room(output), "]}");
}

int proof_write_json(const struct proof *proof, int fd)
{
    static const char verdicts[][12] = {[VERDICT_PROVEN] = "proven",
                                        [VERDICT_NOT_PROVEN] = "not proven",
                                        [VERDICT_LOST] = "lost",
                                        [VERDICT_OVER_BUDGET] = "over budget"};
    char line_buffer[1024];
    struct text line = text_begin(line_buffer, sizeof line_buffer);
    struct output output = {.fd = fd, .prefix = ""};
    const char *separator = "";
    output.text = text_begin(output.buffer, sizeof output.buffer);
    text_string(&output.text, "{\"verdict\": ");
    put_string(&output.text, verdicts[proof_verdict(proof, &line)]);
    text_string(&output.text, ", \"summary\": ");
    put_string(&output.text, line.data);
    text_printf(&output.text, ", \"seconds\": %lld, \"targets\": [",
                (long long)(proof->evidence->end_us - proof->evidence->begin_us) / 1000000);
    for (unsigned i = 0; i < LANES_MAX; i++) {
        if (!proof->evidence->lanes[i])
            continue;
        text_string(room(&output), separator);
        put_lane_json(&output.text, proof->evidence->lanes[i]);
        separator = ",\n";
    }
    text_string(room(&output), "], \"pods\": [");
    for (unsigned i = 0; i < proof->pods_count; i++) {
        text_string(room(&output), i > 0 ? ",\n" : "");
        write_pod_json(&output, proof, &proof->pods[i]);
    }
    text_string(room(&output), "]}\n");
    output_flush(&output);
    return output.error;
}

int proof_write_text(const struct proof *proof, int fd, const char *prefix)
{
    struct output output = {.fd = fd, .prefix = prefix};
    output.text = text_begin(output.buffer, sizeof output.buffer);
    for (unsigned i = 0; i < LANES_MAX; i++)
        if (proof->evidence->lanes[i])
            put_lane(room(&output), proof->evidence->lanes[i]);
    for (unsigned i = 0; i < proof->pods_count; i++)
        write_pod(&output, proof, &proof->pods[i]);
    output_flush(&output);
    output.prefix = ""; /* a termination message begins with the verdict */
    (void)proof_verdict(proof, room(&output));
    text_string(&output.text, "\n");
    output_flush(&output);
    return output.error;
}
