#ifndef SERVE_H
#define SERVE_H

#include "options.h"

/* `web-app serve`: opens the log and serves. Drains after SIGTERM or SIGINT; stops at once after a
 * failed sync. Returns an exit code. If it cannot start, exits with a message. */
int serve(const struct options *options);

#endif
