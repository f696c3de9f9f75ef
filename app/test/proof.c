#include "proof.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum finding take(struct evidence *evidence, const char *format, ...)
{
    char line[512];
    struct event event;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return ledger_parse(line, (size_t)length, &event) == 0 ? evidence_take(evidence, &event)
                                                           : FOUND_IMPOSSIBLE;
}

void begin_evidence(struct evidence *evidence)
{
    evidence_free(evidence);
    memset(evidence, 0, sizeof *evidence);
    (void)take(evidence, "run\t1000000\ttest");
    (void)take(evidence, "lane\t1000000\t0\tnew\thttp://web/");
    (void)take(evidence, "lane\t1000000\t1\tkept\thttp://web/");
}

const char *time_at(unsigned ms, uint64_t number)
{
    static char text[MOMENT_SIZE];
    struct moment moment = {INT64_C(1669593600000000) + INT64_C(1000) * ms + (int64_t)number % 1000,
                            0};
    moment_write(&moment, text);
    return text;
}

enum finding visit(struct evidence *evidence, uint64_t id, uint64_t number, unsigned sent_ms,
                   unsigned received_ms)
{
    enum finding finding = take(evidence, "sent\t%llu\t%llu\t%llu", 1000000ULL + 1000ULL * sent_ms,
                                (unsigned long long)id, (unsigned long long)id % 2);
    if (finding != FOUND_NOTHING)
        return finding;
    return take(evidence, "acknowledged\t%llu\t%llu\t%llu\tweb-0\t%llu\t%s\t%u",
                1000000ULL + 1000ULL * received_ms, (unsigned long long)id,
                (unsigned long long)id % 2, (unsigned long long)number,
                time_at(received_ms, number), 1000 * (received_ms - sent_ms));
}
