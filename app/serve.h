#ifndef SERVE_H
#define SERVE_H

#include "options.h"

/* `web-app serve`: listens, opens the log beside that, and serves. Drains after SIGTERM, SIGINT or
 * SIGQUIT; stops at once after a failed sync. Returns an exit code. If it cannot start, exits with
 * a message. */
int serve(const struct options *options);

#endif
