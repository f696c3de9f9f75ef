#include "prove/evidence.h"

#include "proof.h"
#include "samples.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static struct evidence evidence;

/* A server that counts, and visits that come and go at any time: those under way at the same time
 * may be acknowledged in any order, and never seem to go back. */
static unsigned backs_of_a_true_server(uint64_t seed)
{
    enum { VISITS = 5000, AT_ONCE = 40 };
    struct {
        uint64_t id, number;
    } open[AT_ONCE];
    uint64_t number = 0, id = 0;
    unsigned count = 0, ms = 0, wrong = 0;
    begin_evidence(&evidence);
    while (id < VISITS) {
        uint64_t random = samples_next(&seed);
        unsigned which = count > 0 ? (unsigned)(random / 8 % count) : 0;
        ms += random % 4 == 0;
        unsigned long long now_us = 1000000ULL + 1000ULL * ms;
        if (count < AT_ONCE && random / 4096 % 2 == 0) {
            open[count].id = id++;
            open[count].number = 0;
            (void)take(&evidence, "sent\t%llu\t%llu\t0", now_us,
                       (unsigned long long)open[count++].id);
        } else if (count > 0 && open[which].number == 0) {
            open[which].number = ++number; /* recorded, and not yet acknowledged */
        } else if (count > 0) {
            wrong +=
                take(&evidence, "acknowledged\t%llu\t%llu\t0\tweb-0\t%llu\t%s\t0", now_us,
                     (unsigned long long)open[which].id, (unsigned long long)open[which].number,
                     time_at(ms, open[which].number)) != FOUND_NOTHING;
            open[which] = open[--count];
        }
    }
    return wrong + (unsigned)evidence.pods[0]->backs_count;
}

static void test_back(void)
{
    unsigned wrong = 0;
    for (uint64_t seed = 1; seed <= 20; seed++)
        wrong += backs_of_a_true_server(seed * 7919);
    same(wrong, 0, "numbers that are acknowledged out of order do not go back");
    begin_evidence(&evidence);
    for (unsigned i = 0; i < 3000; i++)
        (void)visit(&evidence, i, i + 1, 10 * i, 10 * i + 2);
    same(visit(&evidence, 3000, 3000, 30000, 30002), FOUND_WENT_BACK,
         "the last number once more goes back");
    const struct pod *pod = evidence_pod(&evidence, "web-0");
    same((long long)pod->last_back.from, 3000, "from it");
    same((long long)pod->last_back.to, 3000, "to it");
    same(visit(&evidence, 3001, 3001, 30010, 30012), FOUND_NOTHING,
         "the numbers after it go on from there");
    same(visit(&evidence, 3002, 1, 30040, 30042), FOUND_WENT_BACK, "a first number goes back");
    same(visit(&evidence, 3003, 2, 30070, 30072), FOUND_NOTHING, "and the second one does not");
    same((long long)pod->backs_count, 2, "both are counted");
    same((long long)pod->first_back.to, 3000, "the first one is known");
    ok(pod->visits[2999].era == 0 && pod->visits[3000].era == 1 && pod->visits[3003].era == 2,
       "each begins an era");
    /* A visit that was sent before the last acknowledgement may have been first. */
    begin_evidence(&evidence);
    (void)take(&evidence, "sent\t1000000\t0\t0");
    (void)visit(&evidence, 1, 2, 5, 9);
    same(take(&evidence, "acknowledged\t1060000\t0\t0\tweb-0\t1\t%s\t60000", time_at(60, 1)),
         FOUND_NOTHING, "a visit that took longer than the next does not go back");
    /* Numbers are those of a pod. */
    same(take(&evidence, "sent\t1070000\t7\t0"), FOUND_NOTHING, "another pod is visited");
    same(take(&evidence, "acknowledged\t1080000\t7\t0\tweb-1\t1\t%s\t1000", time_at(80, 1)),
         FOUND_NOTHING, "its numbers are its own");
    same(evidence.pods_count, 2, "there are two pods");
    same((long long)evidence_acknowledged(&evidence), 3, "with three visits");
}

static void test_gaps(void)
{
    begin_evidence(&evidence);
    (void)visit(&evidence, 0, 1, 0, 2);
    (void)take(&evidence, "sent\t1100000\t2\t0"); /* under way when the gap begins */
    (void)take(&evidence, "sent\t1110000\t4\t0");
    same(take(&evidence, "unknown\t1200000\t4\t0\tcut\t95000"), FOUND_GAP,
         "a visit without an outcome begins a gap");
    const struct lane *lane = evidence.lanes[0];
    same(lane->gap_since_us, 1105000, "when it was due");
    same(take(&evidence, "unsent\t1210000\t0\tconnection refused\t1000"), FOUND_NOTHING,
         "the next one goes on with it");
    same(take(&evidence, "acknowledged\t1220000\t2\t0\tweb-0\t2\t%s\t120000", time_at(220, 2)),
         FOUND_NOTHING, "a visit that was sent before it does not end it");
    same(visit(&evidence, 5, 3, 225, 226), FOUND_NOTHING, "nor does one of another lane");
    same(visit(&evidence, 6, 4, 300, 305), FOUND_GAP_END, "one that was sent after it does");
    same(lane->longest_gap_us, 200000, "it has lasted until this was acknowledged");
    same(take(&evidence, "sent\t1400000\t8\t0"), FOUND_NOTHING, "a visit is sent");
    same(take(&evidence, "refused\t1401000\t8\t0\t503\t1000"), FOUND_GAP,
         "a refused one begins a gap");
    same(visit(&evidence, 10, 5, 410, 411), FOUND_GAP_END, "which ends");
    same((long long)lane->gaps, 2, "there were two");
    same(lane->longest_gap_us, 200000, "the longest one is known");
    same((long long)evidence.lanes[1]->gaps, 0, "the other lane had none");
    same((long long)evidence.cut, 1, "one connection was cut");
    ok(lane->sent == 6 && lane->acknowledged == 4 && lane->refused == 1 && lane->unknown == 1 &&
           lane->unsent == 1,
       "all visits of the lane are counted");
    same(take(&evidence, "missed\t1420000\t0\t17"), FOUND_NOTHING, "missed visits are no gap");
    same(take(&evidence, "unsent\t1420000\t1\tprover\t0"), FOUND_NOTHING,
         "nor is one that the prover itself could not make");
    same((long long)lane->missed, 17, "they are counted");
    (void)take(&evidence, "unsent\t1500000\t1\tunresolved\t0");
    (void)take(&evidence, "sent\t1500000\t11\t1");
    (void)take(&evidence, "note\t1900000\tend");
    same(evidence_end(&evidence), 0, "the run ends");
    same(evidence.lanes[1]->longest_gap_us, 400000, "and with it an open gap");
    same((long long)evidence.lanes[1]->unknown, 1, "and the visits under way");
    same((long long)evidence.possible_count, 3, "which may be in a file, like the other two");
    same((long long)evidence.next_id, 12, "the next id is above all");
}

static void test_restarts(void)
{
    static char one[MOMENT_SIZE], other[MOMENT_SIZE];
    begin_evidence(&evidence);
    (void)strcpy(one, time_at(0, 0));
    (void)strcpy(other, time_at(500, 0));
    same(take(&evidence, "server\t1000000\tweb-0\talways\t%s", one), FOUND_NOTHING,
         "the first process is no restart");
    same(take(&evidence, "server\t1000000\tweb-0\tinterval\t%s", one), FOUND_NOTHING,
         "nor is another sync mode");
    same(take(&evidence, "server\t1000000\tweb-1\talways\t%s", other), FOUND_NOTHING,
         "nor is another pod");
    same(take(&evidence, "server\t1000000\tweb-0\tnone\t%s", other), FOUND_RESTART,
         "a later process is");
    const struct pod *pod = evidence_pod(&evidence, "web-0");
    ok(pod->restarts == 1 && pod->starts_count == 1 && strcmp(pod->sync, "none") == 0,
       "it is known, with its sync mode");
    unsigned restarts = 0;
    for (unsigned i = 0; i < 2 * SERVERS_KEPT; i++)
        restarts += take(&evidence, "server\t1000000\tweb-0\tnone\t%s", time_at(1000 + i, 0)) ==
                    FOUND_RESTART;
    ok(restarts == 2 * SERVERS_KEPT && pod->restarts == restarts + 1 &&
           pod->starts_count == SERVERS_KEPT,
       "of many restarts all are counted, and the first ones kept");
}

static int compare(const void *one, const void *other)
{
    const unsigned *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

static void test_latencies(void)
{
    enum { VISITS = 4000 };
    static unsigned latencies[VISITS];
    static const unsigned per_mille[] = {1, 500, 900, 990, 999, 1000};
    uint64_t state = 4711, wrong = 0;
    begin_evidence(&evidence);
    same(lane_latency_us(evidence.lanes[0], 500), 0, "without a visit there is no latency");
    for (unsigned i = 0; i < VISITS; i++) {
        /* From 0 µs to half an hour, evenly by their logarithms. */
        uint64_t random = samples_next(&state);
        latencies[i] = (unsigned)((random & 0x7fffffff) >> (random >> 32) % 31);
        (void)take(&evidence, "sent\t1000000\t%u\t0", i);
        (void)take(&evidence, "acknowledged\t1000000\t%u\t0\tweb-0\t%u\t%s\t%u", i, i + 1,
                   time_at(0, i), latencies[i]);
    }
    qsort(latencies, VISITS, sizeof *latencies, compare);
    for (unsigned i = 0; i < sizeof per_mille / sizeof *per_mille; i++) {
        unsigned right = latencies[(VISITS * per_mille[i] + 999) / 1000 - 1];
        int64_t got = lane_latency_us(evidence.lanes[0], per_mille[i]);
        ok(got >= right && (double)got <= 1.032 * right + 1,
           "p%u is %u, or up to 3.2 %% more: %lld", per_mille[i], right, (long long)got);
        wrong += i > 0 && got < lane_latency_us(evidence.lanes[0], per_mille[i - 1]);
    }
    same((long long)wrong, 0, "they are in order");
    same(evidence.lanes[0]->longest_us, latencies[VISITS - 1], "the longest one is exact");
    begin_evidence(&evidence);
    (void)take(&evidence, "sent\t1000000\t0\t0");
    (void)take(&evidence, "acknowledged\t1000000\t0\t0\tweb-0\t1\t%s\t9223372036854775807",
               time_at(0, 0));
    ok(lane_latency_us(evidence.lanes[0], 500) > 0,
       "the longest one that a ledger can have is kept");
}

static void test_impossible(void)
{
    static const char *const events[] = {
        "acknowledged\t1200000\t5\t1\tweb-0\t0\t2022-11-28 22:54:26.913511+03:00\t1",
        "sent\t1200000\t5\t0",
        "sent\t1200000\t0\t0",
        "sent\t1200000\t9\t2",
        "sent\t1200000\t9\t128",
        "unsent\t1200000\t2\tx\t0",
        "missed\t1200000\t2\t1",
        "unknown\t1200000\t7\t0\tx\t0",
        "unknown\t1200000\t5\t0\tx\t0",
        "refused\t1200000\t0\t0\t503\t0",
        "note\t1\tbefore",
        "lane\t1200000\t0\tkept\thttp://web/",
        "lane\t1200000\t0\tnew\thttp://other/",
        "lane\t1200000\t128\tnew\thttp://web/",
        "lane\t1200000\t5\tsomething\thttp://web/",
        "server\t1200000\tweb-0\talways\tnever",
        "server\t1200000\tweb-0\talways-or-never-again\t2022-11-28 22:54:26.913511+03:00",
        "mark\t1200000\tweb-2\t4\t0123456789abcdef",
        "baseline\t1200000\tweb-2\t4\t0123456789abcdef\t-\t-",
        "baseline\t1200000\tweb-3\t4\t0123456789abcdef\t-\t2022-11-28 22:54:26.913511+03:00 again",
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        begin_evidence(&evidence);
        (void)visit(&evidence, 0, 1, 0, 2);
        (void)take(&evidence, "sent\t1100000\t5\t1");
        (void)take(&evidence, "mark\t1100000\tweb-2\t4\t0123456789abcdef");
        (void)take(&evidence, "baseline\t1100000\tweb-2\t5\t0123456789abcdef\t-\t-");
        same(take(&evidence, "%s", events[i]), FOUND_IMPOSSIBLE, "impossible: %s", events[i]);
    }
    begin_evidence(&evidence);
    unsigned found = 0;
    for (unsigned i = 1; i <= MARKS_MAX; i++)
        found += take(&evidence, "mark\t1000000\tweb-0\t%u\t0123456789abcdef", i) == FOUND_NOTHING;
    same(found, MARKS_MAX, "a baseline may have %d marks", MARKS_MAX);
    same(take(&evidence, "mark\t1000000\tweb-0\t999\t0123456789abcdef"), FOUND_IMPOSSIBLE,
         "and no more");
    same(take(&evidence, "baseline\t1000000\tweb-0\t999\t0123456789abcdef\t-\t-"), FOUND_NOTHING,
         "besides the last one");
}

void test_evidence(void)
{
    test_back();
    test_gaps();
    test_restarts();
    test_latencies();
    test_impossible();
    evidence_free(&evidence);
    memset(&evidence, 0, sizeof evidence);
}
