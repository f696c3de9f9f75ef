/* `web-app check`: one GET, for a HEALTHCHECK and for tests in images that hold no other client. */
#ifndef CLIENT_H
#define CLIENT_H

#include "http/client_response.h"
#include "http/url.h"

enum { CLIENT_TIMEOUT_MS = 3000 };

/* Sends a GET for URL and receives the response. CLIENT_TIMEOUT_MS covers everything: name look-up,
 * connection and response. If the name has several addresses, each gets an equal share of the time
 * that is left to connect. Returns 0 with a complete response, or -1 with one line in MESSAGE: what
 * went wrong and what to check. A look-up that times out goes on in a thread of its own. */
int client_get(const struct url *url, struct client_response *ret_response, char *message,
               size_t message_size);

/* Writes the first line of the body, or the target of a redirect, as a string of at most SIZE > 0
 * bytes with its NUL. Bytes that are not printable ASCII become "?", a tab becomes a space: a
 * server must not send control sequences to the terminal. */
void client_describe(const struct client_response *response, char *buffer, size_t size);

#endif
