#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

struct server_settings {
    const char *listen, *admin_listen; /* as listeners_open() takes them */
    unsigned workers, max_connections, idle_timeout_ms;
    const char *sync; /* name of the mode, for /version */
    bool sync_always; /* a visit is acknowledged once it is durable, else once it is written */
};

#endif
