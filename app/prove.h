#ifndef PROVE_H
#define PROVE_H

#include "options.h"

/* `web-app prove`: visits, or only compares a ledger with the files. Returns an exit code: that of
 * the verdict. */
int prove(const struct options *options);

#endif
