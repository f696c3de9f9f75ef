/* What the events of a ledger say: the acknowledged visits of each pod, the visits whose outcome is
 * not known, restarts and gaps. The prover feeds it with events as it notes them, the checker as it
 * reads them. */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include "prove/ledger.h"
#include "prove/moment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LANES_MAX = 128,
    PODS_MAX = 1024,
    MARKS_MAX = 128,
    SERVERS_KEPT = 256,
    REASONS_MAX = 16, /* of a lane */
    HIGHEST_KEPT = 1024,
    HIGHEST_MS = 8,
    LATENCY_STEPS = 32, /* for each power of two: 3 % */
    LATENCY_BUCKETS = 31 * LATENCY_STEPS,
};

/* 28 bytes: there may be millions. */
struct acknowledged {
    int64_t utc_us; /* the time of the visit, by the server's clock */
    uint64_t number;
    uint32_t received_ms; /* since the ledger begins */
    uint32_t latency_us;
    int16_t offset_minutes;
    uint8_t era; /* how often the numbers of the pod had gone back before, up to 255 */
    /* Of the comparison with the file: on its line; of the lost: before others that are not, within
     * the grace; on how many other lines. */
    uint8_t is_found : 1, is_hole : 1, is_forgiven : 1, elsewhere : 5;
} __attribute__((packed, aligned(4)));

struct pod;

/* A visit whose outcome is unknown, or that was refused: it may be in the file, or not. */
struct possible {
    uint32_t sent_ms, ended_ms;
    bool is_refused;
    const struct pod *recorded_by; /* of the comparison: in the file of this pod */
};

struct mark {
    uint64_t lines, hash;
};

struct baseline {
    bool is_known;
    uint32_t noted_ms;
    uint64_t lines;
    unsigned marks_count; /* the last one is of all lines */
    struct mark marks[MARKS_MAX + 1];
    char first[MOMENT_SIZE], last[MOMENT_SIZE];
};

/* The highest number that was acknowledged up to `end_ms`. One stands for HIGHEST_MS of them. */
struct highest {
    uint32_t begin_ms, end_ms;
    uint64_t number;
};

/* An acknowledged number that was not above one that had been acknowledged before it was sent. */
struct went_back {
    uint64_t from, to;
    int64_t time_us;
};

struct pod {
    char name[LEDGER_WORD_MAX + 1];
    struct acknowledged *visits; /* in the order in which their acknowledgements came */
    size_t visits_count, visits_room;
    struct baseline baseline;
    char sync[16], started[MOMENT_SIZE];  /* "" if unknown */
    int64_t started_us[SERVERS_KEPT];     /* of each process but the first, by the server's clock */
    unsigned starts_count, restarts;      /* `starts_count` is at most SERVERS_KEPT */
    struct highest highest[HIGHEST_KEPT]; /* a ring */
    unsigned highest_count;
    struct went_back first_back, last_back;
    /* Of each era: it ended after a fault, so that a process may have ended. */
    bool ended_by_fault[UINT8_MAX + 1];
    uint64_t backs_count;
    /* The server's clock was ahead of the prover's by at least and at most this. */
    int64_t clock_least_us, clock_most_us;
};

/* Visits to one target over new connections, or over kept ones. */
struct lane {
    bool is_declared;
    char *target;
    char kind[8]; /* new or kept */
    uint64_t sent, acknowledged, refused, unknown, unsent, missed;
    bool in_gap;
    int64_t gap_since_us, longest_gap_us;
    int64_t last_sent_us; /* of the acknowledged, the one that was sent last */
    uint64_t gaps;
    struct reason {
        char word[24];
        uint64_t count;
    } reasons[REASONS_MAX]; /* of what was not acknowledged; "" after the last */
    uint32_t latencies[LATENCY_BUCKETS];
    int64_t longest_us;
};

struct evidence {
    int64_t begin_us, end_us; /* of the first and the last event */
    struct lane *lanes[LANES_MAX];
    struct pod *pods[PODS_MAX];
    unsigned pods_count;
    uint64_t next_id;  /* above all ids so far */
    uint32_t fault_ms; /* of the last visit that was not acknowledged */
    uint64_t own;      /* visits that the prover itself could not make, for want of memory or so */
    uint64_t cut;      /* of the unknown: connections that ended in the middle */
    struct in_flight {
        uint64_t id;
        int64_t sent_us;
        unsigned lane;
    } * in_flight; /* by id */
    size_t in_flight_count, in_flight_room;
    struct possible *possible;
    size_t possible_count, possible_room;
};

/* What evidence_take() found in an event. */
enum finding {
    FOUND_NOTHING,
    FOUND_IMPOSSIBLE, /* no prover writes this event after those before it */
    FOUND_NO_MEMORY,
    FOUND_WENT_BACK, /* as the pod's `last_back` says */
    FOUND_GAP,       /* a gap of the lane begins */
    FOUND_GAP_END,   /* ends */
    FOUND_RESTART,
};

/* EVIDENCE is zero before its first event. */
enum finding evidence_take(struct evidence *evidence, const struct event *event);

/* After the last event of a run: what is still in flight has no known outcome, and open gaps end.
 * Returns 0, or -1: no memory. */
int evidence_end(struct evidence *evidence);

/* Returns the pod of this name, or NULL. */
struct pod *evidence_pod(const struct evidence *evidence, const char *name);

uint64_t evidence_acknowledged(const struct evidence *evidence);

/* The latency in µs that PER_MILLE of the acknowledged visits of LANE did not exceed; 0 if there is
 * none. */
int64_t lane_latency_us(const struct lane *lane, unsigned per_mille);

void evidence_free(struct evidence *evidence);

#endif
