#include "prove/comparison.h"

#include "proof.h"
#include "samples.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { VISITS = 300, LINES = VISITS + 40, SIZE = LINES * 40 };

static struct evidence evidence;
static char file[SIZE];
static size_t length;

/* Compares the file in pieces of up to MOST bytes; 0: in one. */
static struct comparison compare(uint64_t most, int64_t grace_us)
{
    static struct comparison comparison;
    uint64_t state = 31 + most;
    const char *bytes = file;
    size_t left = length;
    (void)comparison_begin(&comparison, &evidence, evidence.pods[0]);
    while (left > 0) {
        size_t piece = most ? (size_t)(samples_next(&state) % most + 1) : left;
        piece = piece < left ? piece : left;
        comparison_feed(&comparison, bytes, piece);
        bytes += piece;
        left -= piece;
    }
    comparison_end(&comparison, grace_us);
    return comparison;
}

/* Everything but what is private. */
static bool is_same(const struct comparison *a, const struct comparison *b)
{
    return a->visits == b->visits && a->found == b->found && a->moved == b->moved &&
           a->lost == b->lost && a->forgiven == b->forgiven && a->lines == b->lines &&
           a->twice == b->twice && a->recorded_unknown == b->recorded_unknown &&
           a->recorded_refused == b->recorded_refused && a->before == b->before &&
           a->nobodys == b->nobodys && a->same_time == b->same_time && a->holes == b->holes &&
           a->tail == b->tail && a->history == b->history && a->same_until == b->same_until &&
           a->changed_until == b->changed_until && a->is_history_lost == b->is_history_lost &&
           a->is_rolled_back == b->is_rolled_back && a->tail_least_us == b->tail_least_us &&
           a->tail_most_us == b->tail_most_us && a->last_good == b->last_good &&
           strcmp(a->last_good_text, b->last_good_text) == 0 &&
           strcmp(a->first_text, b->first_text) == 0 && a->is_numbered == b->is_numbered;
}

static bool adds_up(const struct comparison *result)
{
    return result->visits == result->found + result->moved + result->lost + result->forgiven &&
           result->lines == result->found + result->moved + result->twice +
                                result->recorded_unknown + result->recorded_refused +
                                result->before + result->nobodys &&
           result->holes + result->tail == result->lost + result->forgiven;
}

static void put_line(const char *text)
{
    memcpy(file + length, text, MOMENT_LENGTH);
    file[length + MOMENT_LENGTH] = '\n';
    length += MOMENT_LENGTH + 1;
}

/* COUNT visits, 10 ms apart, and a file that has them. Visit N has number N. */
static void plant(unsigned count)
{
    begin_evidence(&evidence);
    length = 0;
    for (unsigned i = 0; i < count; i++) {
        (void)visit(&evidence, i, i + 1, 10 * i, 10 * i + 2);
        put_line(time_at(10 * i + 2, i + 1));
    }
}

static char *line(unsigned number)
{
    return file + (size_t)(MOMENT_LENGTH + 1) * (number - 1);
}

static void remove_line(unsigned number)
{
    length -= MOMENT_LENGTH + 1;
    memmove(line(number), line(number + 1), length - (size_t)(line(number) - file));
}

/* Found and lost, counted one by one. The file has whole lines of MOMENT_LENGTH bytes only. */
static bool counts_are_right(const struct comparison *result)
{
    const struct pod *pod = evidence.pods[0];
    uint64_t found = 0, lost = 0, lines = length / (MOMENT_LENGTH + 1);
    for (size_t i = 0; i < pod->visits_count; i++) {
        struct moment moment = {pod->visits[i].utc_us, pod->visits[i].offset_minutes};
        char text[MOMENT_SIZE];
        uint64_t places = 0;
        moment_write(&moment, text);
        for (unsigned number = 1; number <= lines; number++)
            places += memcmp(line(number), text, MOMENT_LENGTH) == 0;
        bool is_found = pod->visits[i].number <= lines &&
                        memcmp(line((unsigned)pod->visits[i].number), text, MOMENT_LENGTH) == 0;
        found += is_found;
        lost += places == 0;
    }
    return result->found == found && result->lost + result->forgiven == lost &&
           result->moved == pod->visits_count - found - lost;
}

static void damage(uint64_t *state)
{
    unsigned lines = (unsigned)(length / (MOMENT_LENGTH + 1));
    unsigned number = (unsigned)(samples_next(state) % lines) + 1;
    unsigned other = (unsigned)(samples_next(state) % lines) + 1;
    char swapped[MOMENT_LENGTH];
    switch (samples_next(state) % 5) {
    case 0:
        remove_line(number);
        break;
    case 1:
        memcpy(swapped, line(number), MOMENT_LENGTH);
        memcpy(line(number), line(other), MOMENT_LENGTH);
        memcpy(line(other), swapped, MOMENT_LENGTH);
        break;
    case 2:
        memcpy(line(number), line(other), MOMENT_LENGTH);
        break;
    case 3:
        line(number)[samples_next(state) % MOMENT_LENGTH] = '7';
        break;
    default:
        length = (size_t)(line(number) - file);
    }
}

static void test_pieces(void)
{
    static const uint64_t most[] = {1, 2, 33, 1000};
    uint64_t state = 99;
    unsigned wrong_sums = 0, wrong_pieces = 0, wrong_counts = 0, lossy = 0;
    for (unsigned round = 0; round < 150; round++) {
        plant(VISITS / (round % 3 + 1));
        (void)take(&evidence, "sent\t9000000\t999\t0");
        (void)take(&evidence, "unknown\t9000000\t999\t0\tcut\t0");
        if (round % 4 == 0)
            (void)take(&evidence, "baseline\t9000000\tweb-0\t3\t0123456789abcdef\t%s\t-",
                       time_at(2, 1));
        for (unsigned i = 0; i < round % 5 && length > 0; i++)
            damage(&state);
        struct comparison whole = compare(0, 0);
        wrong_sums += !adds_up(&whole);
        wrong_counts += !counts_are_right(&whole);
        lossy += whole.lost > 0;
        for (unsigned i = 0; i < sizeof most / sizeof *most; i++) {
            struct comparison pieces = compare(most[i], 0);
            wrong_pieces += !is_same(&whole, &pieces);
        }
    }
    same(wrong_sums, 0, "the sums add up, whatever the damage");
    same(wrong_counts, 0, "they are those of a count one by one");
    same(wrong_pieces, 0, "pieces of any size give the same");
    ok(lossy > 30, "many of these files had lost something");
    wrong_sums = wrong_pieces = 0;
    for (unsigned round = 0; round < 60; round++) {
        plant(20);
        length = samples_make(&state, file, sizeof file);
        struct comparison whole = compare(0, 0), pieces = compare(5, 0);
        wrong_sums += !adds_up(&whole);
        wrong_pieces += !is_same(&whole, &pieces);
    }
    same(wrong_sums + wrong_pieces, 0, "also for files with lines that are no times");
}

static void test_judgement(void)
{
    plant(100);
    struct comparison result = compare(0, 0);
    ok(result.found == 100 && result.lines == 100 && result.history == HISTORY_UNKNOWN,
       "a file that has all visits has lost none");
    remove_line(50);
    result = compare(0, 0);
    ok(result.found == 49 && result.moved == 50 && result.lost == 1 && result.holes == 1,
       "without a line of the middle, one visit is a hole, and the others have moved");
    size_t index = 0;
    const struct acknowledged *lost = comparison_next_lost(evidence.pods[0], &index);
    same((long long)lost->number, 50, "its number is known");
    ok(!comparison_next_lost(evidence.pods[0], &index), "and no other");
    plant(100);
    length -= 10 * (MOMENT_LENGTH + 1);
    result = compare(0, 0);
    ok(result.lost == 10 && result.tail == 10 && result.holes == 0, "the end is a tail");
    same(result.tail_least_us, 0, "its last visit was the last one");
    same(result.tail_most_us, 90000 + 9, "and its first one 90 ms before that");
    result = compare(0, 50000);
    ok(result.lost == 5 && result.forgiven == 5, "of which a grace of 50 ms forgives 5");
    plant(100);
    length -= 1;
    result = compare(0, 0);
    ok(result.lost == 1 && result.lines == 99, "a last line without its newline does not count");
    length = 0;
    result = compare(0, 0);
    ok(result.lost == 100 && result.lines == 0, "an empty file has lost all");
}

/* A visit that may have been recorded is recorded once, in one file. */
static void test_possible(void)
{
    plant(10);
    (void)take(&evidence, "sent\t1200000\t100\t0");
    (void)take(&evidence, "unknown\t1300000\t100\t0\tcut\t0");
    (void)take(&evidence, "sent\t1300000\t102\t0");
    (void)take(&evidence, "refused\t1400000\t102\t0\t503\t0");
    (void)take(&evidence, "sent\t1500000\t104\t0");
    (void)take(&evidence, "acknowledged\t1500000\t104\t0\tweb-1\t1\t%s\t1", time_at(500, 1));
    put_line(time_at(150, 11)); /* before any of them was sent */
    put_line(time_at(250, 12));
    put_line(time_at(350, 13));
    put_line(time_at(351, 14));
    struct comparison result = compare(0, 0);
    ok(result.recorded_unknown == 1 && result.recorded_refused == 1 && result.nobodys == 2,
       "the unknown visit and the refused one have a line each, and two lines are nobody's");
    struct comparison again = compare(0, 0);
    ok(is_same(&result, &again), "a second comparison of the same pod gives the same");
    struct comparison other;
    (void)comparison_begin(&other, &evidence, evidence.pods[1]);
    comparison_feed(&other, time_at(500, 1), MOMENT_LENGTH);
    comparison_feed(&other, "\n", 1);
    comparison_feed(&other, time_at(501, 2), MOMENT_LENGTH);
    comparison_feed(&other, "\n", 1);
    comparison_end(&other, 0);
    ok(other.found == 1 && other.nobodys == 1, "in the file of another pod they are taken");
}

void test_comparison(void)
{
    test_pieces();
    test_judgement();
    test_possible();
    evidence_free(&evidence);
    memset(&evidence, 0, sizeof evidence);
}
