#include "prove/target.h"

#include "base/text.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct target *new_target(const char *text, char *message, size_t size)
{
    struct target *target = calloc(1, sizeof *target);
    if (!target || !(target->text = strdup(text))) {
        (void)snprintf(message, size, "no memory");
        free(target);
        return NULL;
    }
    const char *complaint = url_parse(target->text, &target->url);
    if (complaint) {
        (void)snprintf(message, size, "%s: %s", text, complaint);
        free(target->text);
        free(target);
        return NULL;
    }
    (void)snprintf(target->prefix, sizeof target->prefix, "%.*s", target->url.target_length,
                   target->url.target);
    target->prefix[strcspn(target->prefix, "?")] = '\0';
    char *slash = strrchr(target->prefix, '/');
    (void)strcpy(slash ? slash : target->prefix, "/");
    (void)pthread_mutex_init(&target->lock, NULL);
    return target;
}

/* Finds {A..B} in TEXT. Returns 0, 1: there is none, or -1: it is malformed. */
static int find_range(const char *text, const char **ret_open, const char **ret_close,
                      uint64_t *ret_from, uint64_t *ret_to)
{
    const char *open = strchr(text, '{'), *close = open ? strchr(open, '}') : NULL;
    const char *dots = open ? strstr(open, "..") : NULL;
    if (!open)
        return strchr(text, '}') ? -1 : 1;
    if (!close || !dots || dots > close || strchr(close, '{') ||
        parse_number(open + 1, (size_t)(dots - open - 1), 0, UINT32_MAX, ret_from) != 0 ||
        parse_number(dots + 2, (size_t)(close - dots - 2), *ret_from, UINT32_MAX, ret_to) != 0)
        return -1;
    *ret_open = open;
    *ret_close = close;
    return 0;
}

int targets_parse(struct target **targets, unsigned count, const char *text, char *message,
                  size_t size)
{
    const char *open = text + strlen(text), *close = open - 1;
    uint64_t from = 0, to = 0;
    char url[TARGET_TEXT_MAX + 1];
    int range = find_range(text, &open, &close, &from, &to);
    if (range < 0) {
        (void)snprintf(message, size,
                       "%s: {A..B} takes two numbers, the smaller one first; give it "
                       "once, as in http://web-{0..2}.web:8080/",
                       text);
        return -1;
    }
    for (uint64_t number = from; number <= to; number++) {
        if (count + (number - from) == TARGETS_MAX) {
            (void)snprintf(message, size, "%s: these are more than %d URLs; give fewer", text,
                           TARGETS_MAX);
            return -1;
        }
        struct text expanded = text_begin(url, sizeof url);
        text_bytes(&expanded, text, (size_t)(open - text));
        if (range == 0)
            text_number(&expanded, number);
        text_string(&expanded, close + 1);
        targets[count + (number - from)] = new_target(url, message, size);
        if (!targets[count + (number - from)])
            return -1;
    }
    return (int)(to - from + 1);
}

static void look_up(struct target *target)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    int error = getaddrinfo(target->url.host, target->url.port, &hints, &found);
    (void)pthread_mutex_lock(&target->lock);
    target->is_looked_up = true;
    target->error = error;
    if (error == 0)
        target->addresses_count = 0;
    for (const struct addrinfo *a = error == 0 ? found : NULL; a; a = a->ai_next) {
        if (target->addresses_count == ADDRESSES_MAX ||
            a->ai_addrlen > sizeof target->addresses->socket)
            continue;
        struct address *address = &target->addresses[target->addresses_count++];
        memcpy(&address->socket, a->ai_addr, a->ai_addrlen);
        address->length = a->ai_addrlen;
    }
    (void)pthread_mutex_unlock(&target->lock);
    if (error == 0)
        freeaddrinfo(found);
}

static void *look_up_again(void *argument)
{
    struct target *target = argument;
    for (;;) {
        look_up(target);
        (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    return NULL;
}

int target_start(struct target *target)
{
    pthread_t thread;
    struct in6_addr address;
    if (inet_pton(AF_INET, target->url.host, &address) == 1 ||
        inet_pton(AF_INET6, target->url.host, &address) == 1) {
        look_up(target);
        return 0;
    }
    return thread_start(&thread, look_up_again, target);
}

unsigned target_address(struct target *target, unsigned index, struct address *ret_address)
{
    (void)pthread_mutex_lock(&target->lock);
    unsigned count = target->addresses_count;
    if (count > 0)
        *ret_address = target->addresses[index % count];
    (void)pthread_mutex_unlock(&target->lock);
    return count;
}

bool target_is_looked_up(struct target *target, int *ret_error)
{
    (void)pthread_mutex_lock(&target->lock);
    bool is_looked_up = target->is_looked_up;
    *ret_error = target->error;
    (void)pthread_mutex_unlock(&target->lock);
    return is_looked_up;
}
