#include "options.h"
#include "tap.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 10 };

static int parse(enum verb verb, const char *const arguments[ARGUMENTS_MAX],
                 struct options *options, char message[512])
{
    int count = 0;
    while (count < ARGUMENTS_MAX && arguments[count])
        count++;
    memset(message, 0, 512);
    return options_parse(options, verb, count, (char *const *)arguments, message, 512);
}

static void expect_defaults(void)
{
    struct options options;
    char message[512];
    const char *none[ARGUMENTS_MAX] = {0};
    ok(parse(VERB_SERVE, none, &options, message) == 0, "no option is needed");
    ok(strcmp(options.listen, "8080") == 0 && strcmp(options.admin_listen, "8081") == 0 &&
           strcmp(options.data_dir, "data") == 0 && strcmp(options.timezone, "Europe/Moscow") == 0,
       "the defaults are 8080, 8081, data, Europe/Moscow");
    ok(options.sync == SYNC_ALWAYS && options.workers == 1 && options.max_connections == 4096 &&
           options.idle_timeout_ms == 620000 && options.drain_ms == 5000 &&
           options.sandbox == SANDBOX_AUTO && options.log_format == LOG_TEXT,
       "the defaults are sync always, 1 worker, 4096 connections, 620 s idle, 5 s of drain, "
       "sandbox auto, a log of text");
    ok(options.tail == UINT64_MAX && !options.raw && options.operands_count == 0,
       "the default listing is all lines, numbered");
}

static void expect_values(void)
{
    struct options options;
    char message[512];
    const char *both_forms[ARGUMENTS_MAX] = {"--workers=64", "--data-dir", "--odd", "--listen",
                                             "[::1]:0"};
    ok(parse(VERB_SERVE, both_forms, &options, message) == 0 && options.workers == 64 &&
           strcmp(options.data_dir, "--odd") == 0 && strcmp(options.listen, "[::1]:0") == 0,
       "a value follows = or is the next argument, whatever it looks like");
    const char *twice[ARGUMENTS_MAX] = {"--workers=2", "--workers=3"};
    ok(parse(VERB_SERVE, twice, &options, message) == 0 && options.workers == 3,
       "of two equal options the last one counts");
    static const struct {
        const char *text;
        unsigned ms;
    } times[] = {{"--drain=0s", 0},    {"--drain=0ms", 0},       {"--drain=250ms", 250},
                 {"--drain=7s", 7000}, {"--drain=60m", 3600000}, {"--drain=3600s", 3600000}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const char *arguments[ARGUMENTS_MAX] = {times[i].text};
        ok(parse(VERB_SERVE, arguments, &options, message) == 0 && options.drain_ms == times[i].ms,
           "%s is %u ms", times[i].text, times[i].ms);
    }
    const char *least[ARGUMENTS_MAX] = {"--idle-timeout=1000ms"},
               *most[ARGUMENTS_MAX] = {"--idle-timeout=1440m"};
    ok(parse(VERB_SERVE, least, &options, message) == 0 && options.idle_timeout_ms == 1000 &&
           parse(VERB_SERVE, most, &options, message) == 0 && options.idle_timeout_ms == 86400000,
       "an idle connection may be kept for 1 s to a day");
    const char *sandbox[ARGUMENTS_MAX] = {"--sandbox=on"}, *off[ARGUMENTS_MAX] = {"--sandbox=off"};
    ok(parse(VERB_SERVE, sandbox, &options, message) == 0 && options.sandbox == SANDBOX_ON &&
           parse(VERB_SERVE, off, &options, message) == 0 && options.sandbox == SANDBOX_OFF,
       "the sandbox may be on or off");
    const char *json[ARGUMENTS_MAX] = {"--log-format=json"},
               *text[ARGUMENTS_MAX] = {"--log-format=json", "--log-format=text"};
    ok(parse(VERB_SERVE, json, &options, message) == 0 && options.log_format == LOG_JSON &&
           parse(VERB_SERVE, text, &options, message) == 0 && options.log_format == LOG_TEXT,
       "the log may be JSON or text");
    const char *visits[ARGUMENTS_MAX] = {"--tail", "5", "--raw"};
    ok(parse(VERB_VISITS, visits, &options, message) == 0 && options.tail == 5 && options.raw,
       "visits takes --tail and --raw");
    const char *check[ARGUMENTS_MAX] = {"http://127.0.0.1:8081/healthz", "--admin-listen=1"};
    ok(parse(VERB_CHECK, check, &options, message) == 0 && options.operands[0] == check[0] &&
           strcmp(options.admin_listen, "1") == 0,
       "check takes a URL among its options");
}

static void expect_proving(void)
{
    struct options options;
    char message[512];
    const char *none[ARGUMENTS_MAX] = {"http://a/", "http://b/"};
    ok(parse(VERB_PROVE, none, &options, message) == 0 && options.operands_count == 2 &&
           strcmp(options.operands[1], "http://b/") == 0 &&
           strcmp(options.ledger, "prove.ledger") == 0 && options.rate == 10 &&
           options.for_ms == 0 && options.connections == 2 && options.timeout_ms == 5000 &&
           options.wait_ms == 300000,
       "prove takes URLs, and visits each 10 times a second until it is stopped");
    ok(options.grace_ms == UINT_MAX && options.max_gap_ms == UINT_MAX &&
           options.max_refused == UINT64_MAX && !options.alone && !options.require_fault &&
           !options.resume && !options.check && !options.json && options.files_count == 0,
       "it has no budget by default, and the grace of the server");
    const char *least[ARGUMENTS_MAX] = {"--rate=1",        "--for=1ms",         "--timeout=1ms",
                                        "--wait=0s",       "--grace=0ms",       "--max-gap=0ms",
                                        "--max-refused=0", "--connections=new", "--ledger=-"};
    ok(parse(VERB_PROVE, least, &options, message) == 0 && options.rate == 1 &&
           options.for_ms == 1 && options.timeout_ms == 1 && options.wait_ms == 0 &&
           options.grace_ms == 0 && options.max_gap_ms == 0 && options.max_refused == 0 &&
           options.connections == 0 && strcmp(options.ledger, "-") == 0,
       "each of its numbers has a least value");
    const char *most[ARGUMENTS_MAX] = {"--rate=10000",
                                       "--for=10080m",
                                       "--timeout=10m",
                                       "--wait=1440m",
                                       "--grace=60m",
                                       "--max-gap=1440m",
                                       "--max-refused=18446744073709551614",
                                       "--connections=kept"};
    ok(parse(VERB_PROVE, most, &options, message) == 0 && options.rate == 10000 &&
           options.for_ms == 604800000 && options.timeout_ms == 600000 &&
           options.wait_ms == 86400000 && options.grace_ms == 3600000 &&
           options.max_gap_ms == 86400000 && options.max_refused == UINT64_MAX - 1 &&
           options.connections == 1,
       "and a greatest");
    const char *check[ARGUMENTS_MAX] = {"--check", "l",       "--file=web-0=a=b", "--file",
                                        "web-1=c", "--alone", "--require-fault",  "--json=r"};
    ok(parse(VERB_PROVE, check, &options, message) == 0 && strcmp(options.check, "l") == 0 &&
           options.files_count == 2 && strcmp(options.files[0], "web-0=a=b") == 0 &&
           strcmp(options.files[1], "web-1=c") == 0 && options.alone && options.require_fault &&
           strcmp(options.json, "r") == 0,
       "it compares a ledger with the files of several pods");
}

static void expect_refusals(void)
{
    static const struct {
        enum verb verb;
        const char *argument;
        const char *named;
    } table[] = {
        {VERB_SERVE, "--listen=65536", "PORT"},
        {VERB_SERVE, "--listen=-1", "PORT"},
        {VERB_SERVE, "--listen=", "PORT"},
        {VERB_SERVE, "--listen=localhost:80", "PORT"},
        {VERB_SERVE, "--listen=::1:80", "PORT"},
        {VERB_SERVE, "--listen=1.2.3.4:", "PORT"},
        {VERB_SERVE, "--listen=80 ", "PORT"},
        {VERB_SERVE, "--listen=000080", "PORT"},
        {VERB_SERVE, "--admin-listen=x", "PORT"},
        {VERB_SERVE, "--data-dir=", "directory"},
        {VERB_SERVE, "--sync=sometimes", "always, interval"},
        {VERB_SERVE, "--sync=", "always, interval"},
        {VERB_SERVE, "--timezone=", "IANA"},
        {VERB_SERVE, "--workers=0", "1 to 64"},
        {VERB_SERVE, "--workers=65", "1 to 64"},
        {VERB_SERVE, "--workers=1x", "1 to 64"},
        {VERB_SERVE, "--workers=+1", "1 to 64"},
        {VERB_SERVE, "--workers= 1", "1 to 64"},
        {VERB_SERVE, "--max-connections=0", "1 to 1000000"},
        {VERB_SERVE, "--max-connections=99999999999999999999", "1 to 1000000"},
        {VERB_SERVE, "--idle-timeout=0s", "1s to 1440m"},
        {VERB_SERVE, "--idle-timeout=999ms", "1s to 1440m"},
        {VERB_SERVE, "--idle-timeout=1441m", "1s to 1440m"},
        {VERB_SERVE, "--idle-timeout=86401s", "1s to 1440m"},
        {VERB_SERVE, "--idle-timeout=75", "1s to 1440m"},
        {VERB_SERVE, "--drain=5", "ms, s or m"},
        {VERB_SERVE, "--drain=61m", "ms, s or m"},
        {VERB_SERVE, "--drain=-1s", "ms, s or m"},
        {VERB_SERVE, "--drain=1h", "ms, s or m"},
        {VERB_SERVE, "--drain=s", "ms, s or m"},
        {VERB_SERVE, "--drain=0000000000003600s", "ms, s or m"},
        {VERB_SERVE, "--drain=1.5s", "ms, s or m"},
        {VERB_SERVE, "--sandbox=partial", "auto, on or off"},
        {VERB_SERVE, "--sandbox=", "auto, on or off"},
        {VERB_SERVE, "--log-format=xml", "text or json"},
        {VERB_SERVE, "--log-format=", "text or json"},
        {VERB_VISITS, "--tail=x", "a number"},
        {VERB_VISITS, "--tail=-1", "a number"},
        {VERB_VISITS, "--raw=1", "no value"},
        {VERB_VISITS, "--listen=80", "web-app help"},
        {VERB_SERVE, "--tail=1", "web-app help"},
        {VERB_SERVE, "--work=1", "web-app help"},
        {VERB_SERVE, "extra", "web-app help"},
        {VERB_SERVE, "-w", "web-app help"},
        {VERB_SERVE, "--", "web-app help"},
        {VERB_SERVE, "--workers", "1 to 64"},
        {VERB_CHECK, "--workers=1", "web-app help"},
        {VERB_PROVE, "--rate=0", "1 to 10000"},
        {VERB_PROVE, "--rate=10001", "1 to 10000"},
        {VERB_PROVE, "--for=0s", "from 1ms to 10080m"},
        {VERB_PROVE, "--for=10081m", "from 1ms to 10080m"},
        {VERB_PROVE, "--timeout=0ms", "from 1ms to 10m"},
        {VERB_PROVE, "--timeout=11m", "from 1ms to 10m"},
        {VERB_PROVE, "--wait=1441m", "up to 1440m"},
        {VERB_PROVE, "--grace=61m", "up to 60m"},
        {VERB_PROVE, "--max-gap=1441m", "up to 1440m"},
        {VERB_PROVE, "--max-refused=-1", "a number"},
        {VERB_PROVE, "--max-refused=18446744073709551615", "a number"},
        {VERB_PROVE, "--connections=none", "new, kept or both"},
        {VERB_PROVE, "--file=x", "POD=FILE"},
        {VERB_PROVE, "--file==x", "POD=FILE"},
        {VERB_PROVE, "--file=x=", "POD=FILE"},
        {VERB_PROVE, "--ledger=", "- for stdout"},
        {VERB_PROVE, "--check=", "a ledger"},
        {VERB_PROVE, "--json=", "a file"},
        {VERB_PROVE, "--alone=1", "no value"},
        {VERB_PROVE, "--workers=1", "web-app help"},
        {VERB_SERVE, "--rate=1", "web-app help"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct options options;
        char message[512], name[64];
        const char *arguments[ARGUMENTS_MAX] = {table[i].argument};
        size_t length = strcspn(table[i].argument, "=");
        memcpy(name, table[i].argument, length);
        name[length] = '\0';
        ok(parse(table[i].verb, arguments, &options, message) == -1 && strstr(message, name) &&
               strstr(message, table[i].named) && !strchr(message, '\n'),
           "%s is refused: %s", table[i].argument, message);
    }
}

static void expect_environment(void)
{
    struct options options;
    char message[512];
    const char *none[ARGUMENTS_MAX] = {0}, *flag[ARGUMENTS_MAX] = {"--max-connections=7"};
    setenv("WEB_APP_MAX_CONNECTIONS", "5", 1);
    ok(parse(VERB_SERVE, none, &options, message) == 0 && options.max_connections == 5,
       "the environment overrides the default");
    ok(parse(VERB_SERVE, flag, &options, message) == 0 && options.max_connections == 7,
       "a flag overrides the environment");
    setenv("WEB_APP_MAX_CONNECTIONS", "many", 1);
    ok(parse(VERB_SERVE, none, &options, message) == -1 &&
           strstr(message, "WEB_APP_MAX_CONNECTIONS=many") && strstr(message, "1 to 1000000"),
       "a wrong environment variable is named: %s", message);
    ok(parse(VERB_VISITS, none, &options, message) == 0,
       "a verb without that option ignores the variable");
    unsetenv("WEB_APP_MAX_CONNECTIONS");
    setenv("WEB_APP_TAIL", "x", 1);
    ok(parse(VERB_VISITS, none, &options, message) == 0 && options.tail == UINT64_MAX,
       "an option of a single call has no environment variable");
    unsetenv("WEB_APP_TAIL");
}

static void expect_texts(void)
{
    struct options options;
    char message[512];
    const char *none[ARGUMENTS_MAX] = {0};
    char buffer[8192];
    struct text help = text_begin(buffer, sizeof buffer);
    options_help(&help, 0);
    ok(!help.overflowed && strstr(buffer, "  --listen=") && strstr(buffer, "\n  --raw "),
       "help names the options");
    ok(parse(VERB_SERVE, none, &options, message) == 0, "the defaults can be described");
    struct text text = text_begin(message, sizeof message);
    options_describe(&options, &text);
    ok(strstr(message, "sync=always") &&
           strstr(message, "drain=5000ms sandbox=auto log-format=text"),
       "the description is: %s", message);
}

/* The complaint about an option has the format of the log that is known by then. */
static void expect_format_of_complaints(void)
{
    struct options options;
    char message[512];
    const char *wrong[ARGUMENTS_MAX] = {"--workers=0"},
               *before[ARGUMENTS_MAX] = {"--log-format=json", "--workers=0"},
               *after[ARGUMENTS_MAX] = {"--workers=0", "--log-format=json"},
               *none[ARGUMENTS_MAX] = {0};
    ok(parse(VERB_SERVE, wrong, &options, message) == -1 && options.log_format == LOG_TEXT,
       "a complaint is text by default");
    ok(parse(VERB_SERVE, before, &options, message) == -1 && options.log_format == LOG_JSON &&
           parse(VERB_SERVE, after, &options, message) == -1 && options.log_format == LOG_TEXT,
       "it is JSON after --log-format=json");
    setenv("WEB_APP_LOG_FORMAT", "json", 1);
    ok(parse(VERB_SERVE, wrong, &options, message) == -1 && options.log_format == LOG_JSON,
       "it is JSON if the environment says so");
    setenv("WEB_APP_LISTEN", "x", 1);
    ok(parse(VERB_SERVE, none, &options, message) == -1 && options.log_format == LOG_JSON &&
           strstr(message, "WEB_APP_LISTEN=x"),
       "and if it is about a variable");
    unsetenv("WEB_APP_LISTEN");
    options.log_format = LOG_TEXT;
    ok(parse(VERB_VISITS, wrong, &options, message) == -1 && options.log_format == LOG_TEXT,
       "another verb ignores the variable");
    unsetenv("WEB_APP_LOG_FORMAT");
}

void test_options(void)
{
    expect_defaults();
    expect_values();
    expect_proving();
    expect_refusals();
    expect_environment();
    expect_format_of_complaints();
    expect_texts();
}
