/* A small test harness: each check prints a line of TAP on stdout, each topic is a function. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stddef.h>

/* Prints "ok N - CLAIM" or "not ok N - CLAIM". Returns PASSED. */
bool ok(bool passed, const char *claim, ...) __attribute__((format(printf, 2, 3)));

/* Like ok(), for two numbers or two byte strings. Print both if they differ. */
bool same(long long got, long long wanted, const char *claim, ...)
    __attribute__((format(printf, 3, 4)));
bool same_bytes(const void *got, size_t got_length, const void *wanted, size_t wanted_length,
                const char *claim, ...) __attribute__((format(printf, 5, 6)));

/* Prints the plan. Returns the exit code. */
int tap_done(void);

void test_text(void);
void test_timestamp(void);
void test_zone(void);
void test_options(void);
void test_url(void);
void test_client_response(void);
void test_page(void);
void test_accent(void);
void test_history(void);
void test_request(void);
void test_io(void);
void test_progress(void);
void test_scan(void);
void test_times(void);
void test_loop_group(void);
void test_http1(void);
void test_visit_log(void);
void test_visit_log_faults(void);
void test_recovery(void);
void test_rows(void);
void test_metrics(void);
void test_moment(void);
void test_ledger(void);
void test_evidence(void);
void test_baseline(void);
void test_comparison(void);

#endif
