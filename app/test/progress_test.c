#include "log/progress.h"
#include "tap.h"

#include <errno.h>
#include <string.h>

static bool is_explained(uint64_t done, uint64_t total, const char *wanted)
{
    char text[EXPLANATION_SIZE];
    progress_set("reading f", done, total);
    explain_fault(EINPROGRESS, text);
    return strcmp(text, wanted) == 0;
}

void test_progress(void)
{
    char text[EXPLANATION_SIZE];
    ok(is_explained(0, 0, "reading f, 0 %"), "0 %% before the size is known");
    ok(is_explained(0, 33, "reading f, 0 %"), "0 %% at the start");
    ok(is_explained(999, 1000, "reading f, 99 %"), "100 %% only at the end");
    ok(is_explained(1000, 1000, "reading f, 100 %"), "100 %% at the end");
    ok(is_explained(1001, 1000, "reading f, 100 %"), "100 %% of a file that has grown");
    ok(is_explained((uint64_t)43 << 50, (uint64_t)100 << 50, "reading f, 43 %"),
       "a file of 100 PiB has a percentage");
    explain_fault(ENOSPC, text);
    ok(strcmp(text, strerror(ENOSPC)) == 0, "any other fault is explained as by strerror(3)");
}
