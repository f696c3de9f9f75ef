#include "options.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 6 };

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
           options.sandbox == SANDBOX_AUTO,
       "the defaults are sync always, 1 worker, 4096 connections, 620 s idle, 5 s of drain, "
       "sandbox auto");
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
    const char *visits[ARGUMENTS_MAX] = {"--tail", "5", "--raw"};
    ok(parse(VERB_VISITS, visits, &options, message) == 0 && options.tail == 5 && options.raw,
       "visits takes --tail and --raw");
    const char *check[ARGUMENTS_MAX] = {"http://127.0.0.1:8081/healthz", "--admin-listen=1"};
    ok(parse(VERB_CHECK, check, &options, message) == 0 && options.operands[0] == check[0] &&
           strcmp(options.admin_listen, "1") == 0,
       "check takes a URL among its options");
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
    ok(strstr(message, "sync=always") && strstr(message, "drain=5000ms sandbox=auto"),
       "the description is: %s", message);
}

void test_options(void)
{
    expect_defaults();
    expect_values();
    expect_refusals();
    expect_environment();
    expect_texts();
}
