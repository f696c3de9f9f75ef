/* Compares the file of a pod with the evidence: reads its lines once, in pieces of any size, and
 * keeps none of them. */
#ifndef COMPARISON_H
#define COMPARISON_H

#include "prove/baseline.h"
#include "prove/evidence.h"

/* What the file says of the lines that were in it when the pod was met. */
enum history {
    HISTORY_UNKNOWN, /* there is no baseline */
    HISTORY_SAME,
    HISTORY_SHORT,    /* the file has fewer lines, and these are the same */
    HISTORY_NEW_FILE, /* its first line is another, and later than an acknowledged visit */
    HISTORY_OTHER,    /* its first line is another, and older than that: of another file */
    HISTORY_CHANGED,  /* its first line is the same, and a later one is not */
};

struct comparison {
    /* The sums. visits = found + moved + lost + forgiven;
     * lines = found + moved + twice + recorded_unknown + recorded_refused + before + nobodys. */
    uint64_t visits, found, moved, lost, forgiven;
    uint64_t lines, twice, recorded_unknown, recorded_refused, before, nobodys;
    uint64_t same_time; /* of `nobodys`: has the time of a visit, which another visitor explains */
    uint64_t holes, tail; /* of the lost and the forgiven */
    enum history history;
    uint64_t same_until, changed_until; /* HISTORY_CHANGED: between these lines */
    char same_until_text[MOMENT_SIZE];
    bool is_history_lost; /* and not only with visits of the ledger, which are judged as such */
    bool is_rolled_back;  /* the file goes on from `last_good` as if what came after had not been */
    /* How long before the end of its process or of the run a visit of the tail was acknowledged. */
    int64_t tail_least_us, tail_most_us;
    uint64_t last_good; /* the line before the first acknowledged visit that is not on its line */
    char last_good_text[MOMENT_SIZE], first_text[MOMENT_SIZE]; /* "" if not a time */
    bool is_numbered; /* the first line has a tab: printed by `visits` without --raw */
    /* Private until comparison_end(). */
    struct evidence *evidence;
    struct pod *pod;
    uint32_t *by_time; /* the pod's visits */
    size_t next;       /* visit by number */
    size_t possible_from;
    struct line_hash hash;
    unsigned mark;
    int64_t last_us;
    char piece[MOMENT_LENGTH + 1];
    size_t piece_length; /* of the line so far; at most one more than MOMENT_LENGTH counts */
};

/* Begins, or begins again, with the first line. Sorts the pod's visits by number. Returns 0, or -1:
 * no memory. */
int comparison_begin(struct comparison *comparison, struct evidence *evidence, struct pod *pod);

/* The next LENGTH bytes of the file. */
void comparison_feed(struct comparison *comparison, const char *bytes, size_t length);

/* The file has ended; a last line without its newline is not counted. Lost visits are forgiven if
 * they were acknowledged less than GRACE_US before a process of the pod ended, or the ledger. */
void comparison_end(struct comparison *comparison, int64_t grace_us);

/* After comparison_end(): which visits are lost, in the order of their numbers. Returns the first
 * at or after *INDEX in pod->visits, and moves *INDEX after it; NULL: none. */
const struct acknowledged *comparison_next_lost(const struct pod *pod, size_t *index);

#endif
