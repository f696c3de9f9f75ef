/* The options of all verbs, in one table. Parsing, the environment variables and `help` all use
 * that table, so that they cannot differ. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sync_mode { SYNC_ALWAYS, SYNC_INTERVAL, SYNC_NONE };

/* Options are the first three. SANDBOX_PARTIAL: the machine has only a part of it. */
enum sandbox { SANDBOX_AUTO, SANDBOX_ON, SANDBOX_OFF, SANDBOX_PARTIAL };

enum log_format { LOG_TEXT, LOG_JSON };

/* The verbs, as bits of a set: each option names those that take it. VERB_PROVE_VISITS marks what
 * `prove` does not need to compare only. */
enum verb {
    VERB_SERVE = 1,
    VERB_VISITS = 2,
    VERB_CHECK = 4,
    VERB_PROVE = 8,
    VERB_HELP = 16,
    VERB_VERSION = 32,
    VERB_PROVE_VISITS = 64,
};

enum { OPERANDS_MAX = 64 };

struct options {
    const char *listen;       /* PORT, ADDRESS:PORT or [ADDRESS]:PORT */
    const char *admin_listen; /* like `listen` */
    const char *data_dir;
    enum sync_mode sync;
    const char *timezone;
    unsigned workers;
    unsigned max_connections;
    unsigned idle_timeout_ms;
    unsigned drain_ms;
    enum sandbox sandbox;
    enum log_format log_format;
    uint64_t tail; /* number of lines; UINT64_MAX: all */
    bool raw, json_lines, count, follow;
    const char *since, *until; /* NULL: any */
    /* URLs of `check` and `prove`, a verb of `help`; `check` and `help` take at most one. */
    const char *operands[OPERANDS_MAX];
    unsigned operands_count;
    /* Of `prove`. */
    const char *ledger;              /* "-": stdout */
    const char *check;               /* a ledger, or NULL */
    const char *files[OPERANDS_MAX]; /* POD=FILE */
    unsigned files_count;
    const char *json;     /* NULL: none */
    unsigned rate;        /* visits a second */
    unsigned connections; /* as in enum connections */
    unsigned for_ms;      /* 0: until a signal */
    unsigned timeout_ms, wait_ms;
    unsigned grace_ms, max_gap_ms; /* UINT_MAX: from the sync mode of the server; any */
    uint64_t max_refused;          /* UINT64_MAX: any */
    bool alone, require_fault, resume;
    const char *only_visits; /* the name of a given option that says how to visit, or NULL */
};

/* Parses the options of VERB. ARGUMENTS, COUNT of them after the verb, override environment
 * variables, which override defaults. Strings in RET_OPTIONS point into the environment and the
 * arguments. Returns 0, or -1 with one line in MESSAGE: what is wrong and what is allowed; of
 * RET_OPTIONS it sets then the format of the log alone, as far as that is known. */
int options_parse(struct options *ret_options, enum verb verb, int count, char *const *arguments,
                  char *message, size_t message_size);

/* Warns of what the environment says in vain to a server with these OPTIONS: variables WEB_APP_...
 * that no option has, and another time zone in TZ. Not of the variables that Kubernetes makes for a
 * Service called web-app. */
void options_warn(const struct options *options);

/* The name of a sync mode, as the option takes it. */
const char *options_sync_name(enum sync_mode sync);

/* Append to TEXT: the options part of `help`, of one verb or, if VERB is 0, of all; and "name=value
 * ..." of VERB_SERVE for the start-up line. */
void options_help(struct text *text, unsigned verb);
void options_describe(const struct options *options, struct text *text);

#endif
