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

/* What values an option takes, and how its field holds them. */
enum kind {
    FLAG,    /* no value; a bool */
    NUMBER,  /* an unsigned */
    COUNT,   /* any number; a uint64_t */
    TIME,    /* with a unit; an unsigned, in ms */
    WORD,    /* one of those in `allowed`, its index as an unsigned */
    TEXT,    /* any but the empty string */
    ADDRESS, /* a string, as the next two */
    MOMENT,
    FILES, /* POD=FILE */
};

/* Short strings are arrays: a pointer in a table needs a relocation, which is longer. */
struct option {
    char name[16];
    char metavar[12];       /* "": the option has no value */
    char default_value[16]; /* as on the command line; "": no default and no environment variable */
    uint8_t verbs, kind;
    uint16_t field;       /* its offset in struct options */
    unsigned least, most; /* of NUMBER, and of TIME in ms */
    const char *allowed;  /* of WORD, TEXT and FILES */
    const char *help;
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

static const char sync_names[][12] = {
    [SYNC_ALWAYS] = "always", [SYNC_INTERVAL] = "interval", [SYNC_NONE] = "none"};
_Static_assert(sizeof sync_names / sizeof *sync_names == SYNC_NONE + 1, "every mode has a name");

/* Finds VALUE among WORDS: "auto, on or off". Returns 0 with its index, or -1. */
static int parse_word(const char *value, const char *words, unsigned *ret_index)
{
    for (unsigned i = 0; *words; i++) {
        size_t length = strcspn(words, ", ");
        if (strlen(value) == length && memcmp(value, words, length) == 0) {
            *ret_index = i;
            return 0;
        }
        words += length;
        words += *words == ',' ? sizeof ", " - 1 : *words ? sizeof " or " - 1 : 0;
    }
    return -1;
}

/* 5s, 500ms or 1m; MOST_MS is a number of minutes. */
static int parse_time(const char *value, unsigned least_ms, unsigned most_ms, unsigned *ret_ms)
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
            parse_number(value, length, 0, most_ms / units[i].ms, &number) == 0) {
            *ret_ms = (unsigned)number * units[i].ms;
            return *ret_ms >= least_ms ? 0 : -1;
        }
    }
    return -1;
}

static const char sandbox_names[][12] = {[SANDBOX_AUTO] = "auto",
                                         [SANDBOX_ON] = "on",
                                         [SANDBOX_OFF] = "off",
                                         [SANDBOX_PARTIAL] = "partial"};

static const char log_format_names[][12] = {[LOG_TEXT] = "text", [LOG_JSON] = "json"};

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

static int add_file(struct options *options, const char *value)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1] || options->files_count == OPERANDS_MAX)
        return -1;
    options->files[options->files_count++] = value;
    return 0;
}

static int parse(struct options *options, const struct option *option, const char *value)
{
    void *field = (char *)options + option->field;
    switch ((enum kind)option->kind) {
    case FLAG:
        *(bool *)field = true;
        return 0;
    case NUMBER:
        return parse_unsigned(value, option->least, option->most, field);
    case COUNT:
        return parse_number(value, strlen(value), 0, UINT64_MAX - 1, field);
    case TIME:
        return parse_time(value, option->least, option->most, field);
    case WORD:
        return parse_word(value, option->allowed, field);
    case FILES:
        return add_file(options, value);
    case TEXT:
    case ADDRESS:
    case MOMENT:
        break;
    }
    *(const char **)field = value;
    return option->kind == ADDRESS  ? parse_address(value)
           : option->kind == MOMENT ? parse_moment(value)
           : *value                 ? 0
                                    : -1;
}

enum { ALLOWED_SIZE = 128 };

/* Writes what values OPTION takes into BUFFER, and returns it. */
static const char *allowed_values(const struct option *option, char buffer[ALLOWED_SIZE])
{
    struct text text = text_begin(buffer, ALLOWED_SIZE);
    const unsigned least = option->least, minutes = option->most / 60000;
    if (option->kind == NUMBER)
        text_printf(&text, "a number from %u to %u", least, option->most);
    else if (option->kind == TIME && least > 0)
        text_printf(&text, "a number with ms, s or m, from %u%s to %um",
                    least % 1000 == 0 ? least / 1000 : least, least % 1000 == 0 ? "s" : "ms",
                    minutes);
    else if (option->kind == TIME)
        text_printf(&text, "a number with ms, s or m, up to %um", minutes);
    else
        text_string(&text,
                    option->kind == COUNT ? "a number"
                    : option->kind == ADDRESS
                        ? "PORT, ADDRESS:PORT or [IPV6-ADDRESS]:PORT, the port from 0 (any) "
                          "to 65535"
                    : option->kind == MOMENT
                        ? "the beginning of a time, such as 2026-11-28 or \"2026-11-28 22:54\""
                        : option->allowed);
    assert(!text.overflowed);
    return buffer;
}

#define FIELD(name) offsetof(struct options, name)
enum { MINUTE = 60000 };
static const struct option table[] = {
    {"listen", "ADDRESS", "8080", VERB_SERVE, ADDRESS, FIELD(listen), 0, 0, NULL,
     "address for visitors; a port alone means all addresses, IPv4 and IPv6"},
    {"admin-listen", "ADDRESS", "8081", VERB_SERVE | VERB_CHECK, ADDRESS, FIELD(admin_listen), 0, 0,
     NULL, "address for probes and metrics: /healthz /readyz /metrics"},
    {"data-dir", "DIRECTORY", "data", VERB_SERVE | VERB_VISITS, TEXT, FIELD(data_dir), 0, 0,
     "the path of a directory", "holds visits.txt; created if absent"},
    {"sync", "WHEN", "always", VERB_SERVE, WORD, FIELD(sync), 0, 0, "always, interval or none",
     "fdatasync before each response (always), every second (interval) or never (none)"},
    {"timezone", "ZONE", "Europe/Moscow", VERB_SERVE, TEXT, FIELD(timezone), 0, 0,
     "an IANA name or a POSIX TZ string",
     "of the times in visits.txt: an IANA name, or a POSIX TZ string such as MSK-3"},
    {"workers", "NUMBER", "1", VERB_SERVE, NUMBER, FIELD(workers), 1, 64, NULL,
     "event loops that serve visitors; more than one pays off only with spare cores"},
    {"max-connections", "NUMBER", "4096", VERB_SERVE, NUMBER, FIELD(max_connections), 1, 1000000,
     NULL, "of all workers together; at the limit the connection idle longest is closed"},
    {"idle-timeout", "TIME", "620s", VERB_SERVE, TIME, FIELD(idle_timeout_ms), 1000, 1440 * MINUTE,
     NULL, "how long a connection is kept without a request"},
    {"drain", "TIME", "5s", VERB_SERVE, TIME, FIELD(drain_ms), 0, 60 * MINUTE, NULL,
     "how long SIGTERM waits for open connections"},
    {"sandbox", "MODE", "auto", VERB_SERVE, WORD, FIELD(sandbox), 0, 0, "auto, on or off",
     "gives up what serving does not need (on: or does not start)"},
    {"log-format", "FORMAT", "text", VERB_SERVE, WORD, FIELD(log_format), 0, 0, "text or json",
     "of the lines on stderr (json: an object a line)"},
    {"tail", "NUMBER", "", VERB_VISITS, COUNT, FIELD(tail), 0, 0, NULL,
     "only the last NUMBER visits"},
    {"raw", "", "", VERB_VISITS, FLAG, FIELD(raw), 0, 0, NULL,
     "the lines as they are in the file, without their numbers"},
    {"json", "", "", VERB_VISITS, FLAG, FIELD(json_lines), 0, 0, NULL, "a JSON object a line"},
    {"since", "TIME", "", VERB_VISITS, MOMENT, FIELD(since), 0, 0, NULL,
     "only visits from this time on, as it stands in the file"},
    {"until", "TIME", "", VERB_VISITS, MOMENT, FIELD(until), 0, 0, NULL,
     "only visits before this time"},
    {"count", "", "", VERB_VISITS, FLAG, FIELD(count), 0, 0, NULL, "only how many there are"},
    {"follow", "", "", VERB_VISITS, FLAG, FIELD(follow), 0, 0, NULL,
     "goes on with each new visit, also when the file is replaced; until SIGTERM or SIGINT"},
    {"ledger", "FILE", "prove.ledger", VERB_PROVE | VERB_PROVE_VISITS, TEXT, FIELD(ledger), 0, 0,
     "a new file, or - for stdout", "notes what was acknowledged; - for stdout"},
    {"resume", "", "", VERB_PROVE | VERB_PROVE_VISITS, FLAG, FIELD(resume), 0, 0, NULL,
     "goes on with a ledger that exists"},
    {"rate", "NUMBER", "10", VERB_PROVE | VERB_PROVE_VISITS, NUMBER, FIELD(rate), 1, 10000, NULL,
     "visits a second for each URL; those of an outage are not made up for"},
    {"for", "TIME", "", VERB_PROVE | VERB_PROVE_VISITS, TIME, FIELD(for_ms), 1, 10080 * MINUTE,
     NULL, "how long to visit; else until SIGTERM or SIGINT"},
    {"connections", "KIND", "both", VERB_PROVE | VERB_PROVE_VISITS, WORD, FIELD(connections), 0, 0,
     "new, kept or both", "a connection for each visit (new), or kept ones"},
    {"timeout", "TIME", "5s", VERB_PROVE, TIME, FIELD(timeout_ms), 1, 10 * MINUTE, NULL,
     "how long a visit waits for its response"},
    {"wait", "TIME", "5m", VERB_PROVE, TIME, FIELD(wait_ms), 0, 1440 * MINUTE, NULL,
     "how long to wait for a URL at the beginning, for all pods at the end"},
    {"grace", "TIME", "", VERB_PROVE, TIME, FIELD(grace_ms), 0, 60 * MINUTE, NULL,
     "a visit acknowledged so shortly before its process ended may be lost; from the server's "
     "--sync: 0s with always, 2s with interval, 35s with none"},
    {"alone", "", "", VERB_PROVE, FLAG, FIELD(alone), 0, 0, NULL,
     "a line that is nobody's is a failure"},
    {"require-fault", "", "", VERB_PROVE, FLAG, FIELD(require_fault), 0, 0, NULL,
     "proves nothing unless a gap, a cut connection or a restart was seen"},
    {"max-gap", "TIME", "", VERB_PROVE, TIME, FIELD(max_gap_ms), 0, 1440 * MINUTE, NULL,
     "the longest time without an acknowledged visit"},
    {"max-refused", "NUMBER", "", VERB_PROVE, COUNT, FIELD(max_refused), 0, 0, NULL,
     "how many visits may be refused"},
    {"json", "FILE", "", VERB_PROVE, TEXT, FIELD(json), 0, 0, "a file",
     "the report as one JSON object"},
    {"check", "LEDGER", "", VERB_PROVE, TEXT, FIELD(check), 0, 0, "a ledger",
     "only compares: with the pods at URL, or --file"},
    {"file", "POD=FILE", "", VERB_PROVE, FILES, FIELD(files), 0, 0, "POD=FILE, up to 64 times",
     "what `web-app visits --raw` printed in POD; for each pod"},
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
    char name[ENVIRONMENT_NAME_SIZE], allowed[ALLOWED_SIZE];
    int result = 0;
    for (const struct option *option = table; option < table + TABLE_LENGTH; option++) {
        if (!(option->verbs & verb))
            continue;
        if (*option->default_value && parse(options, option, option->default_value) != 0)
            return complain(message, size, "default of --%s is malformed", option->name);
        const char *value = environment_name(option, name) ? getenv(name) : NULL;
        /* An empty variable is an unset one: it is how a Compose file or a script leaves it out. */
        if (value && *value && parse(options, option, value) != 0 && result == 0)
            /* Not the end: the format that the log has is in a variable too. */
            result = complain(message, size, "%s=%s is not allowed; give %s", name, value,
                              allowed_values(option, allowed));
    }
    return result;
}

/* Parses one option. Its value follows "=" or is the next argument. Returns the number of arguments
 * used, or -1. */
static int parse_argument(struct options *options, unsigned verb, int left, char *const *arguments,
                          char *message, size_t size)
{
    const char *argument = arguments[0];
    char allowed[ALLOWED_SIZE];
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
            return complain(message, size, "--%s needs a value: %s", option->name,
                            allowed_values(option, allowed));
        value = arguments[1];
        taken = 2;
    }
    if (option->verbs & VERB_PROVE_VISITS)
        options->only_visits = option->name;
    if (parse(options, option, value) != 0)
        return complain(message, size, "--%s=%s is not allowed; give %s", option->name, value,
                        allowed_values(option, allowed));
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
