/* Runs all topics, or those named by the arguments. */
#include "tap.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* One topic per line. NAME_test.c has the tests of topic NAME. */
/* clang-format off */
static const struct {
    const char *name;
    void (*run)(void);
} topics[] = {
    {"text", test_text},
    {"timestamp", test_timestamp},
    {"zone", test_zone},
    {"options", test_options},
    {"url", test_url},
    {"client_response", test_client_response},
    {"page", test_page},
    {"accent", test_accent},
    {"history", test_history},
    {"request", test_request},
    {"io", test_io},
    {"progress", test_progress},
    {"scan", test_scan},
    {"times", test_times},
    {"loop_group", test_loop_group},
    {"http1", test_http1},
    {"visit_log", test_visit_log},
    {"visit_log_faults", test_visit_log_faults},
    {"recovery", test_recovery},
    {"rows", test_rows},
    {"metrics", test_metrics},
    {"moment", test_moment},
    {"ledger", test_ledger},
    {"evidence", test_evidence},
    {"baseline", test_baseline},
    {"comparison", test_comparison},
};
/* clang-format on */

enum { TOPICS = sizeof topics / sizeof *topics };

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc < 2;
}

static bool is_topic(const char *name)
{
    for (size_t i = 0; i < TOPICS; i++)
        if (strcmp(topics[i].name, name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    /* Like the program: a write past RLIMIT_FSIZE fails with errno. */
    (void)signal(SIGXFSZ, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        if (!is_topic(argv[i])) {
            (void)fprintf(stderr, "unit: there is no topic %s\n", argv[i]);
            return 2;
        }
    }
    for (size_t i = 0; i < TOPICS; i++) {
        if (is_wanted(topics[i].name, argc, argv)) {
            printf("# %s\n", topics[i].name);
            topics[i].run();
        }
    }
    return tap_done();
}
