#include "log/progress.h"

#include "base/text.h"
#include "log/timestamp.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static struct {
    const char *_Atomic step;
    _Atomic unsigned percent;
} progress = {.step = "opening " VISITS_FILE};

void progress_set(const char *step, uint64_t done, uint64_t total)
{
    progress.step = step;
    progress.percent = done < total ? (unsigned)(done * 100 / total) : total > 0 ? 100 : 0;
}

void explain_fault(int fault, char ret_text[EXPLANATION_SIZE])
{
    struct text text = text_begin(ret_text, EXPLANATION_SIZE);
    if (fault == EINPROGRESS)
        text_printf(&text, "%s, %u %%", progress.step, progress.percent);
    else
        text_string(&text, strerror(fault));
}
