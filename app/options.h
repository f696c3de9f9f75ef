/* The options of all verbs, from one table: it drives parsing, the environment, `help` and the
 * start-up line, so that none of them can drift from the others. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sync_mode { SYNC_ALWAYS, SYNC_INTERVAL, SYNC_NONE };

/* The verbs that take options, as a set. */
enum verb { VERB_SERVE = 1, VERB_VISITS = 2, VERB_CHECK = 4 };

struct options {
    const char *listen;       /* PORT, ADDRESS:PORT or [ADDRESS]:PORT */
    const char *admin_listen; /* the same */
    const char *data_dir;
    enum sync_mode sync;
    const char *timezone;
    unsigned workers;
    unsigned max_connections;
    unsigned drain_ms;
    uint64_t tail; /* lines; UINT64_MAX for all */
    bool raw;
    const char *url; /* the operand of `check`, or NULL */
};

/* Fills in RET_OPTIONS for VERB from the defaults, the environment and ARGUMENTS (COUNT of them,
 * the verb left out), the later of the three before the earlier. Strings point into the environment
 * and the arguments. Returns 0, or -1 with one line in MESSAGE that names what is wrong and what is
 * allowed. */
int options_parse(struct options *ret_options, enum verb verb, int count, char *const *arguments,
                  char *message, size_t message_size);

/* Append the text of `help` about the options, and "name=value ..." of VERB_SERVE as they are in
 * force. */
void options_help(struct text *text);
void options_describe(const struct options *options, struct text *text);

#endif
