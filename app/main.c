/* web-app: serves a page and records every visit. This file has the verbs of the command line;
 * `serve` and `visits` are in files of their own. */
#include "base/io.h"
#include "base/text.h"
#include "die.h"
#include "http/client.h"
#include "list.h"
#include "options.h"
#include "prove.h"
#include "relro.h"
#include "serve.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int check(const struct options *options);
static int print_version(const struct options *options);
static int print_help(const struct options *options);

static const struct verb_entry {
    char name[8];
    const char *operands, *help;
    enum verb options; /* which options it takes */
    int (*run)(const struct options *options);
} verbs[] = {
    {"serve", "[options]", "serve the page and record visits; the verb if none is given",
     VERB_SERVE, serve},
    {"visits", "[options]", "print the recorded visits with their numbers", VERB_VISITS, list},
    {"check", "[URL]", "exit with 0 if the server is ready, or URL answers with 200", VERB_CHECK,
     check},
    {"prove", "[options] URL...", "visit, and prove that what was acknowledged is in the files",
     VERB_PROVE, prove},
    {"version", "", "print the version", VERB_VERSION, print_version},
    {"help", "[VERB]", "print this, or the options of a verb", VERB_HELP, print_help},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static bool is_help_flag(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static const struct verb_entry *find_verb(const char *name)
{
    if (is_help_flag(name))
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (const struct verb_entry *verb = verbs; verb < verbs + VERBS; verb++)
        if (strcmp(name, verb->name) == 0)
            return verb;
    return NULL;
}

static int run(const struct verb_entry *verb, int count, char *const *arguments)
{
    char message[512];
    struct options options = {0};
    bool is_usage =
        options_parse(&options, verb->options, count, arguments, message, sizeof message) == 0;
    if (options.log_format == LOG_JSON)
        log_as_json();
    if (!is_usage)
        die(EXIT_USAGE, "%s", message);
    return verb->run(&options);
}

/* Otherwise the next file that is opened would get a standard descriptor that the parent has
 * closed, and log lines would go into visits.txt. /dev/null is opened the wrong way round, so that
 * output which is lost is still an error (EBADF). */
static void open_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            (void)open("/", O_PATH);
}

int main(int argc, char **argv)
{
    open_standard_descriptors();
    relro_protect();
    /* A write to a closed pipe, or past RLIMIT_FSIZE, must fail with errno and not kill the
     * process. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (argc < 2)
        return run(&verbs[0], 0, argv);
    const struct verb_entry *verb = find_verb(argv[1]);
    if (verb && argc == 3 && is_help_flag(argv[2]))
        return run(find_verb("help"), 1, argv + 1);
    if (verb)
        return run(verb, argc - 2, argv + 2);
    if (argv[1][0] == '-')
        return run(&verbs[0], argc - 1, argv + 1);
    die(EXIT_USAGE, "there is no verb %s; see web-app help", argv[1]);
}

static int print(const struct text *text)
{
    assert(!text->overflowed);
    return write_all(STDOUT_FILENO, text->data, text->length, NULL) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int print_version(const struct options *options)
{
    char buffer[64];
    struct text text = text_begin(buffer, sizeof buffer);
    (void)options;
    text_string(&text, "web-app " WEB_APP_VERSION "\n");
    return print(&text);
}

/* The exit codes of `prove` are its own. */
static void put_exit_codes(struct text *text, unsigned verb)
{
    if (verb != VERB_PROVE)
        text_string(text,
                    "\nexit codes: 0 clean, 1 failed, 2 usage, 3 durability lost, 4 forbidden "
                    "system call\n");
    if (verb == 0 || verb == VERB_PROVE)
        text_string(text, "\nexit codes of prove: 0 proven, 1 not proven, 2 usage, 3 lost, 4 over "
                          "budget\n");
}

static int print_help(const struct options *options)
{
    char buffer[8192];
    struct text text = text_begin(buffer, sizeof buffer);
    const struct verb_entry *verb = NULL;
    if (options->operands_count > 0 && !(verb = find_verb(options->operands[0])))
        die(EXIT_USAGE, "there is no verb %s; see web-app help", options->operands[0]);
    if (verb) {
        bool has_options = !(verb->options & (VERB_HELP | VERB_VERSION));
        text_printf(&text, "usage: web-app %s%s%s\n\n  %s\n%s", verb->name,
                    *verb->operands ? " " : "", verb->operands, verb->help,
                    has_options ? "\n" : "");
        options_help(&text, verb->options);
        put_exit_codes(&text, verb->options);
        return print(&text);
    }
    text_string(&text, "usage: web-app [VERB] [options]\n\n"
                       "Serves a page and records every visit in a file.\n\n");
    for (unsigned i = 0; i < VERBS; i++)
        text_printf(&text, "  %-7s %-18s %s\n", verbs[i].name, verbs[i].operands, verbs[i].help);
    text_string(&text, "\nFlags override environment variables, which override defaults.\n");
    options_help(&text, 0);
    put_exit_codes(&text, 0);
    return print(&text);
}

/* Without a URL, asks the admin port of the server on this machine or in this container. */
static int check(const struct options *options)
{
    char own_url[128], described[CLIENT_RESPONSE_KEPT_MAX], buffer[sizeof described + 8];
    struct text line = text_begin(buffer, sizeof buffer);
    struct url url;
    struct client_response response;
    const char *address = options->admin_listen,
               *given = options->operands_count ? options->operands[0] : NULL;
    if (!given) {
        (void)snprintf(own_url, sizeof own_url, "http://%s%s/readyz",
                       strchr(address, ':') ? "" : "127.0.0.1:", address);
        given = own_url;
    }
    const char *complaint = url_parse(given, &url);
    if (complaint)
        die(EXIT_USAGE, "%s: %s", given, complaint);
    if (client_get(&url, &response, described, sizeof described) != 0)
        die(EXIT_FAILED, "%s: %s%s", given, described,
            options->operands_count
                ? ""
                : "; if it has another --admin-listen, set WEB_APP_ADMIN_LISTEN for both");
    client_describe(&response, described, sizeof described);
    text_printf(&line, "%d %s\n", response.status, described);
    int exit_code = print(&line);
    return response.status == 200 ? exit_code : EXIT_FAILED;
}
