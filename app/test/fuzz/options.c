/* Fuzzes the command line, the environment and the time zone. The lowest two bits of the first byte
 * choose the verb. The rest after the second byte is strings separated by newlines: the bits of the
 * second byte, and then the other bits of the first, choose which are values in the environment;
 * the others are arguments. */
#include "options.h"
#include "demand.h"
#include "log/timestamp.h"
#include "log/timezone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRINGS_MAX = 24, MESSAGE_SIZE = 64, VARIABLES_MAX = 14, ADDRESS_MAX = 66 };

/* The environment variables of the options, as help names them. */
static char variables[VARIABLES_MAX][64];
static int variables_count;

static void find_variables(void)
{
    static const char before[] = "; environment ";
    char buffer[8192];
    struct text help = text_begin(buffer, sizeof buffer);
    options_help(&help, 0);
    demand(!help.overflowed, "help fits");
    for (const char *at = buffer; (at = strstr(at, before)); variables_count++) {
        at += sizeof before - 1;
        demand(variables_count < VARIABLES_MAX, "a bit stands for each variable");
        (void)snprintf(variables[variables_count], sizeof *variables, "%.*s", (int)strcspn(at, ")"),
                       at);
    }
    demand(variables_count > 0, "help names variables");
}

/* The timestamps of every accepted zone are valid lines of visits.txt. */
static void set_timezone(const char *name)
{
    static const time_t seconds[] = {0, 1669665266, 2147483648, 4102444799};
    struct timestamp_cache cache = {0};
    char timestamp[TIMESTAMP_LENGTH];
    const char *complaint = timezone_set(name);
    if (complaint) {
        demand(*complaint != '\0', "a zone is refused with a reason");
        return;
    }
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        struct timespec moment = {.tv_sec = seconds[i], .tv_nsec = 999999999};
        demand(timestamp_write(&cache, &moment, timestamp) == 0, "a moment can be written");
        demand(timestamp_is_exact(timestamp), "it is a line of visits.txt");
        demand(timestamp_is_plausible(timestamp, TIMESTAMP_LENGTH), "it is plausible");
    }
}

static void demand_options(const struct options *options, enum verb verb)
{
    char buffer[16];
    struct text text = text_begin(buffer, sizeof buffer);
    if (verb & (VERB_SERVE | VERB_VISITS))
        demand(options->data_dir && *options->data_dir, "there is a data directory");
    if (verb & (VERB_SERVE | VERB_CHECK))
        demand(options->admin_listen && strlen(options->admin_listen) <= ADDRESS_MAX,
               "the admin address fits");
    if (verb != VERB_SERVE)
        return;
    demand(options->listen && strlen(options->listen) <= ADDRESS_MAX, "the address fits");
    demand(options->sync <= SYNC_NONE, "the mode is one of three");
    demand(options->workers >= 1 && options->workers <= 64, "there are 1 to 64 workers");
    demand(options->max_connections >= 1 && options->max_connections <= 1000000,
           "there are 1 to 1000000 connections");
    demand(options->idle_timeout_ms >= 1000 && options->idle_timeout_ms <= 86400000,
           "a connection may be idle for a second to a day");
    demand(options->drain_ms <= 3600000, "draining takes an hour at most");
    demand(options->sandbox <= SANDBOX_OFF, "the sandbox is one of three");
    demand(options->log_format <= LOG_JSON, "the log is text or JSON");
    demand(options->timezone && *options->timezone, "there is a zone");
    options_describe(options, &text);
    demand(text.overflowed && !buffer[sizeof buffer - 1],
           "a description is truncated to its buffer");
    set_timezone(options->timezone);
}

/* Copies each line of TEXT into a string of exactly its size. Returns the number of strings. */
static int split(const char *text, size_t length, char *strings[STRINGS_MAX])
{
    int count = 0;
    while (count < STRINGS_MAX && length > 0) {
        const char *newline = memchr(text, '\n', length);
        size_t string = newline ? (size_t)(newline - text) : length;
        strings[count] = malloc(string + 1);
        demand(strings[count] != NULL, "there is memory");
        memcpy(strings[count], text, string);
        strings[count++][string] = '\0';
        text += string + (newline != NULL);
        length -= string + (newline != NULL);
    }
    return count;
}

/* Puts the first strings into the environment variables that BITS choose. Returns how many. */
static int set_environment(unsigned bits, char **strings, int count,
                           char *assignments[VARIABLES_MAX])
{
    int taken = 0;
    for (int i = 0; i < variables_count && taken < count; i++) {
        if (!(bits & (1U << i)))
            continue;
        int length = snprintf(NULL, 0, "%s=%s", variables[i], strings[taken]);
        assignments[i] = malloc((size_t)length + 1);
        demand(assignments[i] != NULL, "there is memory");
        (void)snprintf(assignments[i], (size_t)length + 1, "%s=%s", variables[i], strings[taken++]);
        /* Not setenv(3), which never frees a value. */
        demand(putenv(assignments[i]) == 0, "the environment can be set");
    }
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum verb verbs[] = {VERB_SERVE, VERB_VISITS, VERB_CHECK, VERB_SERVE};
    char *strings[STRINGS_MAX], *assignments[VARIABLES_MAX] = {0};
    struct options options;
    if (variables_count == 0)
        find_variables();
    if (size < 2)
        return 0;
    enum verb verb = verbs[data[0] % 4];
    char *message = malloc(MESSAGE_SIZE);
    demand(message != NULL, "there is memory");
    message[0] = '\0';
    int count = split((const char *)data + 2, size - 2, strings);
    unsigned bits = data[1] | (unsigned)(data[0] >> 2) << 8;
    int taken = set_environment(bits, strings, count, assignments);
    if (options_parse(&options, verb, count - taken, strings + taken, message, MESSAGE_SIZE) == 0)
        demand_options(&options, verb);
    else
        demand(message[0] && memchr(message, '\0', MESSAGE_SIZE), "a refusal has a message");
    if (count > 0)
        set_timezone(strings[count - 1]);
    for (int i = 0; i < variables_count; i++)
        if (assignments[i])
            (void)unsetenv(variables[i]);
    for (int i = 0; i < variables_count; i++)
        free(assignments[i]);
    for (int i = 0; i < count; i++)
        free(strings[i]);
    free(message);
    return 0;
}
