/* `web-app check`: one GET, for a HEALTHCHECK and for tests in images that hold no other client. */
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>

enum { CHECK_TIMEOUT_MS = 3000 };

/* Asks URL (http://HOST[:PORT][/PATH]) and waits up to CHECK_TIMEOUT_MS for the whole answer.
 * Returns its status with the first line of its body in RET_TEXT, or -1 with the reason in it. */
int check_url(const char *url, char *ret_text, size_t size);

#endif
