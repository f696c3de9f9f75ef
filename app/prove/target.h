/* What is visited: a URL and the addresses behind its name, which are looked up again every second
 * on a thread of its own. A headless Service has an address for each pod. */
#ifndef TARGET_H
#define TARGET_H

#include "http/url.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { TARGETS_MAX = 64, ADDRESSES_MAX = 64, TARGET_TEXT_MAX = 2300 };

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    socklen_t length;
};

struct target {
    char *text; /* the URL as given, with one of the numbers of {A..B} */
    struct url url;
    char prefix[URL_TARGET_MAX + 1]; /* the path up to its last slash */
    pthread_mutex_t lock;            /* of the rest */
    bool is_looked_up;
    int error; /* of the last look-up, as in getaddrinfo(3) */
    unsigned addresses_count;
    struct address addresses[ADDRESSES_MAX];
};

/* Expands {A..B} in TEXT and parses the URLs. Returns how many it has appended to TARGETS of COUNT,
 * or -1 with one line in MESSAGE. */
int targets_parse(struct target **targets, unsigned count, const char *text, char *message,
                  size_t size);

/* Starts to look the target's host up. Returns 0, or -1 with errno. */
int target_start(struct target *target);

/* Copies the address with index INDEX modulo their number. Those of the last look-up that found any
 * are used as long as look-ups fail. Returns their number; 0: none is known yet, or ever was. */
unsigned target_address(struct target *target, unsigned index, struct address *ret_address);

/* Has a look-up ended? Returns its error in *RET_ERROR: 0, or as in getaddrinfo(3). */
bool target_is_looked_up(struct target *target, int *ret_error);

#endif
