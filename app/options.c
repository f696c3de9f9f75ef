#include "options.h"

#include "die.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Short strings are arrays: a pointer in a table needs a relocation, which is longer. */
struct option {
    char name[16];
    unsigned verbs;
    char metavar[12];       /* "": the option has no value */
    char default_value[16]; /* as on the command line; "": no default and no environment variable */
    const char *allowed;
    const char *help;
    int (*parse)(struct options *options, const char *value);
};

static int parse_unsigned(const char *value, unsigned minimum, unsigned maximum,
                          unsigned *ret_number)
{
    uint64_t number;
    if (parse_number(value, strlen(value), minimum, maximum, &number) != 0)
        return -1;
    *ret_number = (unsigned)number;
    return 0;
}

/* Checks the form PORT, ADDRESS:PORT or [ADDRESS]:PORT. Whether the address exists is known only
 * when it is bound. */
static int parse_address(const char *value)
{
    unsigned port;
    const char *colon = strrchr(value, ':'), *digits = colon ? colon + 1 : value;
    if (strlen(digits) > sizeof "65535" - 1)
        return -1;
    if (colon) {
        size_t length = (size_t)(colon - value);
        bool bracketed = length > 2 && value[0] == '[' && value[length - 1] == ']';
        if (length == 0 || length > 60 || (!bracketed && memchr(value, ':', length)))
            return -1;
        const char *characters = bracketed ? "0123456789abcdefABCDEF:.[]" : "0123456789.";
        if (strspn(value, characters) < length)
            return -1;
    }
    return parse_unsigned(digits, 0, 65535, &port);
}

static int parse_listen(struct options *options, const char *value)
{
    options->listen = value;
    return parse_address(value);
}

static int parse_admin_listen(struct options *options, const char *value)
{
    options->admin_listen = value;
    return parse_address(value);
}

static int parse_data_dir(struct options *options, const char *value)
{
    options->data_dir = value;
    return *value ? 0 : -1;
}

static const char sync_names[][12] = {
    [SYNC_ALWAYS] = "always", [SYNC_INTERVAL] = "interval", [SYNC_NONE] = "none"};
_Static_assert(sizeof sync_names / sizeof *sync_names == SYNC_NONE + 1, "every mode has a name");

/* Finds VALUE among the first COUNT of NAMES. Returns 0 with its index, or -1. */
static int parse_name(const char *value, const char (*names)[12], unsigned count,
                      unsigned *ret_index)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(value, names[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return -1;
}

static int parse_sync(struct options *options, const char *value)
{
    return parse_name(value, sync_names, SYNC_NONE + 1, &options->sync);
}

static int parse_timezone(struct options *options, const char *value)
{
    options->timezone = value;
    return *value ? 0 : -1;
}

static int parse_workers(struct options *options, const char *value)
{
    return parse_unsigned(value, 1, 64, &options->workers);
}

static int parse_max_connections(struct options *options, const char *value)
{
    return parse_unsigned(value, 1, 1000000, &options->max_connections);
}

/* 5s, 500ms or 1m; at most MAXIMUM_MS, which is a number of minutes. */
static int parse_time(const char *value, unsigned maximum_ms, unsigned *ret_ms)
{
    static const struct {
        char unit[4];
        unsigned ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}};
    enum { DIGITS_MAX = 15 }; /* as in the schema of the chart's values */
    size_t length = strspn(value, "0123456789");
    uint64_t number;
    for (size_t i = 0; length <= DIGITS_MAX && i < sizeof units / sizeof *units; i++) {
        if (strcmp(value + length, units[i].unit) == 0 &&
            parse_number(value, length, 0, maximum_ms / units[i].ms, &number) == 0) {
            *ret_ms = (unsigned)number * units[i].ms;
            return 0;
        }
    }
    return -1;
}

static int parse_idle_timeout(struct options *options, const char *value)
{
    return parse_time(value, 1440 * 60000, &options->idle_timeout_ms) == 0 &&
                   options->idle_timeout_ms >= 1000
               ? 0
               : -1;
}

static int parse_drain(struct options *options, const char *value)
{
    return parse_time(value, 60 * 60000, &options->drain_ms);
}

static const char sandbox_names[][12] = {[SANDBOX_AUTO] = "auto",
                                         [SANDBOX_ON] = "on",
                                         [SANDBOX_OFF] = "off",
                                         [SANDBOX_PARTIAL] = "partial"};

static int parse_sandbox(struct options *options, const char *value)
{
    return parse_name(value, sandbox_names, SANDBOX_PARTIAL, &options->sandbox);
}

static const char log_format_names[][12] = {[LOG_TEXT] = "text", [LOG_JSON] = "json"};

static int parse_log_format(struct options *options, const char *value)
{
    return parse_name(value, log_format_names, LOG_JSON + 1, &options->log_format);
}

static int parse_tail(struct options *options, const char *value)
{
    return parse_number(value, strlen(value), 0, UINT64_MAX - 1, &options->tail);
}

static int parse_raw(struct options *options, const char *value)
{
    (void)value;
    options->raw = true;
    return 0;
}

static int parse_count(struct options *options, const char *value)
{
    (void)value;
    options->count = true;
    return 0;
}

static int parse_follow(struct options *options, const char *value)
{
    (void)value;
    options->follow = true;
    return 0;
}

/* A time as it stands in the file, or the beginning of one: "2026", "2026-11-28 22:54". */
static int parse_moment(const char *value)
{
    static const char shape[] = "0000-00-00 00:00:00.000000";
    size_t length = strlen(value);
    if (length < 4 || length >= sizeof shape)
        return -1;
    for (size_t i = 0; i < length; i++)
        if (shape[i] == '0' ? value[i] < '0' || value[i] > '9' : value[i] != shape[i])
            return -1;
    return 0;
}

static int parse_since(struct options *options, const char *value)
{
    options->since = value;
    return parse_moment(value);
}

static int parse_until(struct options *options, const char *value)
{
    options->until = value;
    return parse_moment(value);
}

static int parse_ledger(struct options *options, const char *value)
{
    options->ledger = value;
    return *value ? 0 : -1;
}

static int parse_check(struct options *options, const char *value)
{
    options->check = value;
    return *value ? 0 : -1;
}

static int parse_file(struct options *options, const char *value)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1] || options->files_count == OPERANDS_MAX)
        return -1;
    options->files[options->files_count++] = value;
    return 0;
}

static int parse_json(struct options *options, const char *value)
{
    options->json = value;
    return *value ? 0 : -1;
}

static int parse_json_lines(struct options *options, const char *value)
{
    (void)value;
    options->json_lines = true;
    return 0;
}

static int parse_rate(struct options *options, const char *value)
{
    return parse_unsigned(value, 1, 10000, &options->rate);
}

static const char connections_names[][12] = {"new", "kept", "both"};

static int parse_connections(struct options *options, const char *value)
{
    return parse_name(value, connections_names, 3, &options->connections);
}

static int parse_for(struct options *options, const char *value)
{
    return parse_time(value, 10080 * 60000, &options->for_ms) == 0 && options->for_ms > 0 ? 0 : -1;
}

static int parse_timeout(struct options *options, const char *value)
{
    return parse_time(value, 10 * 60000, &options->timeout_ms) == 0 && options->timeout_ms > 0 ? 0
                                                                                               : -1;
}

static int parse_wait(struct options *options, const char *value)
{
    return parse_time(value, 1440 * 60000, &options->wait_ms);
}

static int parse_grace(struct options *options, const char *value)
{
    return parse_time(value, 60 * 60000, &options->grace_ms);
}

static int parse_max_gap(struct options *options, const char *value)
{
    return parse_time(value, 1440 * 60000, &options->max_gap_ms);
}

static int parse_max_refused(struct options *options, const char *value)
{
    return parse_number(value, strlen(value), 0, UINT64_MAX - 1, &options->max_refused);
}

static int parse_alone(struct options *options, const char *value)
{
    (void)value;
    options->alone = true;
    return 0;
}

static int parse_require_fault(struct options *options, const char *value)
{
    (void)value;
    options->require_fault = true;
    return 0;
}

static int parse_resume(struct options *options, const char *value)
{
    (void)value;
    options->resume = true;
    return 0;
}

#define ADDRESS_FORMS "PORT, ADDRESS:PORT or [IPV6-ADDRESS]:PORT, the port from 0 (any) to 65535"

#define MOMENT_FORMS "the beginning of a time, such as 2026-11-28 or \"2026-11-28 22:54\""

static const struct option table[] = {
    {"listen", VERB_SERVE, "ADDRESS", "8080", ADDRESS_FORMS,
     "address for visitors; a port alone means all addresses, IPv4 and IPv6", parse_listen},
    {"admin-listen", VERB_SERVE | VERB_CHECK, "ADDRESS", "8081", ADDRESS_FORMS,
     "address for probes and metrics: /healthz /readyz /metrics", parse_admin_listen},
    {"data-dir", VERB_SERVE | VERB_VISITS, "DIRECTORY", "data", "the path of a directory",
     "holds visits.txt; created if absent", parse_data_dir},
    {"sync", VERB_SERVE, "WHEN", "always", "always, interval or none",
     "fdatasync before each response (always), every second (interval) or never (none)",
     parse_sync},
    {"timezone", VERB_SERVE, "ZONE", "Europe/Moscow", "an IANA name or a POSIX TZ string",
     "of the times in visits.txt: an IANA name, or a POSIX TZ string such as MSK-3",
     parse_timezone},
    {"workers", VERB_SERVE, "NUMBER", "1", "a number from 1 to 64",
     "event loops that serve visitors; more than one pays off only with spare cores",
     parse_workers},
    {"max-connections", VERB_SERVE, "NUMBER", "4096", "a number from 1 to 1000000",
     "of all workers together; at the limit the connection idle longest is closed",
     parse_max_connections},
    {"idle-timeout", VERB_SERVE, "TIME", "620s", "a number with ms, s or m, from 1s to 1440m",
     "how long a connection is kept without a request", parse_idle_timeout},
    {"drain", VERB_SERVE, "TIME", "5s", "a number with ms, s or m, up to 60m",
     "how long SIGTERM waits for open connections", parse_drain},
    {"sandbox", VERB_SERVE, "MODE", "auto", "auto, on or off",
     "gives up what serving does not need (on: or does not start)", parse_sandbox},
    {"log-format", VERB_SERVE, "FORMAT", "text", "text or json",
     "of the lines on stderr (json: an object a line)", parse_log_format},
    {"tail", VERB_VISITS, "NUMBER", "", "a number", "only the last NUMBER visits", parse_tail},
    {"raw", VERB_VISITS, "", "", "no value",
     "the lines as they are in the file, without their numbers", parse_raw},
    {"json", VERB_VISITS, "", "", "no value", "a JSON object a line", parse_json_lines},
    {"since", VERB_VISITS, "TIME", "", MOMENT_FORMS,
     "only visits from this time on, as it stands in the file", parse_since},
    {"until", VERB_VISITS, "TIME", "", MOMENT_FORMS, "only visits before this time", parse_until},
    {"count", VERB_VISITS, "", "", "no value", "only how many there are", parse_count},
    {"follow", VERB_VISITS, "", "", "no value",
     "goes on with each new visit, also when the file is replaced; until SIGTERM or SIGINT",
     parse_follow},
    {"ledger", VERB_PROVE, "FILE", "prove.ledger", "a new file, or - for stdout",
     "notes what was acknowledged; - for stdout", parse_ledger},
    {"resume", VERB_PROVE, "", "", "no value", "goes on with a ledger that exists", parse_resume},
    {"rate", VERB_PROVE, "NUMBER", "10", "a number from 1 to 10000",
     "visits a second for each URL; those of an outage are not made up for", parse_rate},
    {"for", VERB_PROVE, "TIME", "", "a number with ms, s or m, up to 10080m",
     "how long to visit; else until SIGTERM or SIGINT", parse_for},
    {"connections", VERB_PROVE, "KIND", "both", "new, kept or both",
     "a connection for each visit (new), or kept ones", parse_connections},
    {"timeout", VERB_PROVE, "TIME", "5s", "a number with ms, s or m, up to 10m",
     "how long a visit waits for its response", parse_timeout},
    {"wait", VERB_PROVE, "TIME", "5m", "a number with ms, s or m, up to 1440m",
     "how long to wait for a URL at the beginning, for all pods at the end", parse_wait},
    {"grace", VERB_PROVE, "TIME", "", "a number with ms, s or m, up to 60m",
     "a visit acknowledged so shortly before its process ended may be lost; from the server's "
     "--sync: 0s with always, 2s with interval, 35s with none",
     parse_grace},
    {"alone", VERB_PROVE, "", "", "no value", "a line that is nobody's is a failure", parse_alone},
    {"require-fault", VERB_PROVE, "", "", "no value",
     "proves nothing unless a gap, a cut connection or a restart was seen", parse_require_fault},
    {"max-gap", VERB_PROVE, "TIME", "", "a number with ms, s or m, up to 1440m",
     "the longest time without an acknowledged visit", parse_max_gap},
    {"max-refused", VERB_PROVE, "NUMBER", "", "a number", "how many visits may be refused",
     parse_max_refused},
    {"json", VERB_PROVE, "FILE", "", "a file", "the report as one JSON object", parse_json},
    {"check", VERB_PROVE, "LEDGER", "", "a ledger",
     "only compares: with the pods at URL, or --file", parse_check},
    {"file", VERB_PROVE, "POD=FILE", "", "POD=FILE, up to 64 times",
     "what `web-app visits --raw` printed in POD; for each pod", parse_file},
};
enum { TABLE_LENGTH = sizeof table / sizeof *table };

enum { ENVIRONMENT_NAME_SIZE = 64 };

/* The variable of max-connections is WEB_APP_MAX_CONNECTIONS. Only options of the server have one.
 * Returns whether there is a variable. */
static bool environment_name(const struct option *option, char name[ENVIRONMENT_NAME_SIZE])
{
    if (!*option->default_value || !(option->verbs & VERB_SERVE))
        return false;
    int length = snprintf(name, ENVIRONMENT_NAME_SIZE, "WEB_APP_%s", option->name);
    assert(length < ENVIRONMENT_NAME_SIZE);
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return true;
}

__attribute__((format(printf, 3, 4))) static int complain(char *message, size_t size,
                                                          const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, size, format, arguments);
    va_end(arguments);
    return -1;
}

static const struct option *find_option(const char *name, size_t length, unsigned verb)
{
    for (const struct option *option = table; option < table + TABLE_LENGTH; option++)
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0 &&
            (option->verbs & verb))
            return option;
    return NULL;
}

static int parse_environment(struct options *options, unsigned verb, char *message, size_t size)
{
    char name[ENVIRONMENT_NAME_SIZE];
    int result = 0;
    for (const struct option *option = table; option < table + TABLE_LENGTH; option++) {
        if (!(option->verbs & verb))
            continue;
        if (*option->default_value && option->parse(options, option->default_value) != 0)
            return complain(message, size, "default of --%s is malformed", option->name);
        const char *value = environment_name(option, name) ? getenv(name) : NULL;
        /* An empty variable is an unset one: it is how a Compose file or a script leaves it out. */
        if (value && *value && option->parse(options, value) != 0 && result == 0)
            /* Not the end: the format that the log has is in a variable too. */
            result = complain(message, size, "%s=%s is not allowed; give %s", name, value,
                              option->allowed);
    }
    return result;
}

/* Parses one option. Its value follows "=" or is the next argument. Returns the number of arguments
 * used, or -1. */
static int parse_argument(struct options *options, unsigned verb, int left, char *const *arguments,
                          char *message, size_t size)
{
    const char *argument = arguments[0];
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0')
        return complain(message, size, "%s is not an option; see web-app help", argument);
    size_t length = strcspn(argument + 2, "=");
    const char *value = argument[2 + length] == '=' ? argument + 2 + length + 1 : NULL;
    const struct option *option = find_option(argument + 2, length, verb);
    int taken = 1;
    if (!option)
        return complain(message, size, "there is no option --%.*s here; see web-app help",
                        (int)length, argument + 2);
    if (!*option->metavar && value)
        return complain(message, size, "--%s takes no value", option->name);
    if (*option->metavar && !value) {
        if (left < 2)
            return complain(message, size, "--%s needs a value: %s", option->name, option->allowed);
        value = arguments[1];
        taken = 2;
    }
    if (option->parse(options, value) != 0)
        return complain(message, size, "--%s=%s is not allowed; give %s", option->name, value,
                        option->allowed);
    return taken;
}

int options_parse(struct options *ret_options, enum verb verb, int count, char *const *arguments,
                  char *message, size_t message_size)
{
    struct options options = {.tail = UINT64_MAX,
                              .grace_ms = UINT_MAX,
                              .max_gap_ms = UINT_MAX,
                              .max_refused = UINT64_MAX};
    unsigned operands_max = verb == VERB_PROVE                ? OPERANDS_MAX
                            : verb & (VERB_CHECK | VERB_HELP) ? 1
                                                              : 0;
    int taken = parse_environment(&options, verb, message, message_size);
    for (int i = 0; taken >= 0 && i < count;) {
        if (options.operands_count < operands_max && arguments[i][0] != '-') {
            options.operands[options.operands_count++] = arguments[i++];
            continue;
        }
        taken = parse_argument(&options, verb, count - i, arguments + i, message, message_size);
        i += taken;
    }
    if (taken < 0) {
        ret_options->log_format = options.log_format;
        return -1;
    }
    *ret_options = options;
    return 0;
}

/* The number of characters to insert, remove or replace (Wagner and Fischer, 1974). One row of the
 * table is kept: row[j] is the distance of the beginning of ONE to J characters of OTHER. */
static unsigned distance(const char *one, const char *other)
{
    unsigned char row[ENVIRONMENT_NAME_SIZE];
    size_t length = strlen(other);
    assert(length < sizeof row);
    for (size_t j = 0; j <= length; j++)
        row[j] = (unsigned char)j;
    for (; *one; one++) {
        unsigned char diagonal = row[0]++;
        for (size_t j = 1; j <= length; j++) {
            unsigned char replaced = (unsigned char)(diagonal + (*one != other[j - 1]));
            diagonal = row[j];
            unsigned char least = row[j - 1] < row[j] ? row[j - 1] : row[j];
            row[j] = replaced <= least ? replaced : (unsigned char)(least + 1);
        }
    }
    return row[length];
}

static void warn_of_variable(const char *name)
{
    enum { SIMILAR = 3 };
    char known[ENVIRONMENT_NAME_SIZE], nearest[ENVIRONMENT_NAME_SIZE];
    unsigned least = SIMILAR + 1;
    for (const struct option *option = table; option < table + TABLE_LENGTH; option++) {
        unsigned edits = environment_name(option, known) ? distance(name, known) : least;
        if (edits == 0)
            return;
        if (edits < least) {
            least = edits;
            memcpy(nearest, known, sizeof nearest);
        }
    }
    if (least <= SIMILAR)
        warn("%s is not a variable of web-app; did you mean %s?", name, nearest);
    else
        warn("%s is not a variable of web-app; see web-app help", name);
}

/* {SVC}_SERVICE_HOST, {SVC}_PORT=tcp://..., {SVC}_PORT_80_TCP_ADDR and so on: Kubernetes,
 * "Accessing the Service". */
static bool is_service_link(const char *name, const char *value)
{
    static const char suffix[] = "_PORT";
    size_t length = strlen(name);
    return strstr(name, "_SERVICE_") || strstr(name, "_PORT_") ||
           (length >= sizeof suffix - 1 &&
            strcmp(name + length - (sizeof suffix - 1), suffix) == 0 && strstr(value, "://"));
}

void options_warn(const struct options *options)
{
    char name[ENVIRONMENT_NAME_SIZE];
    for (char **variable = environ; *variable; variable++) {
        const char *value = strchr(*variable, '=');
        if (!value || !value[1] || value - *variable >= ENVIRONMENT_NAME_SIZE)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)(value - *variable), *variable);
        if (strncmp(name, "WEB_APP_", 8) == 0 && !is_service_link(name, value))
            warn_of_variable(name);
        else if (strcmp(name, "TZ") == 0 && strcmp(value + 1, options->timezone) != 0)
            warn("TZ=%s has no effect; the times are those of --timezone=%s", value + 1,
                 options->timezone);
    }
}

static void put_option(struct text *text, const struct option *option)
{
    char name[ENVIRONMENT_NAME_SIZE], flag_buffer[64];
    struct text flag = text_begin(flag_buffer, sizeof flag_buffer);
    text_printf(&flag, "--%s%s%s", option->name, *option->metavar ? "=" : "", option->metavar);
    assert(!flag.overflowed);
    text_printf(text, "  %-24s %s\n", flag.data, option->help);
    if (environment_name(option, name))
        text_printf(text, "  %-24s (default %s; environment %s)\n", "", option->default_value,
                    name);
    else if (*option->default_value)
        text_printf(text, "  %-24s (default %s)\n", "", option->default_value);
}

void options_help(struct text *text, unsigned verb)
{
    const char *group = "";
    for (const struct option *option = table; option < table + TABLE_LENGTH; option++) {
        const char *next = option->verbs & VERB_SERVE     ? "serve"
                           : option->verbs == VERB_VISITS ? "visits"
                                                          : "prove";
        if (verb && !(option->verbs & verb))
            continue;
        if (!verb && strcmp(group, next) != 0)
            text_printf(text, "\noptions of %s:\n", next);
        group = next;
        put_option(text, option);
    }
}

const char *options_sync_name(enum sync_mode sync)
{
    return sync_names[sync];
}

void options_describe(const struct options *options, struct text *text)
{
    text_printf(text,
                "sync=%s timezone=%s workers=%u max-connections=%u idle-timeout=%ums drain=%ums "
                "sandbox=%s log-format=%s",
                sync_names[options->sync], options->timezone, options->workers,
                options->max_connections, options->idle_timeout_ms, options->drain_ms,
                sandbox_names[options->sandbox], log_format_names[options->log_format]);
}
