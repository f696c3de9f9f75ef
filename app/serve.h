#ifndef SERVE_H
#define SERVE_H

#include "options.h"

/* `web-app serve`: opens the log, serves until SIGTERM, SIGINT or a failed sync, and shuts down
 * gracefully. Returns an exit code, or exits with a line about what keeps it from starting. */
int serve(const struct options *options);

#endif
