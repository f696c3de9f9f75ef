/* `web-app check`: one GET, for a HEALTHCHECK and for tests in images that hold no other client. */
#ifndef CLIENT_H
#define CLIENT_H

#include "http/client_response.h"
#include "http/url.h"

enum { CLIENT_TIMEOUT_MS = 3000 };

/* Asks for URL, and has CLIENT_TIMEOUT_MS for all of it: the name, the connection and the response.
 * Of several addresses each has its share of the time that is left, to be connected to. Returns 0
 * with a complete response, or -1 with one line in MESSAGE that says what went wrong and what to
 * look at. A look-up that is too late goes on in a thread of its own. */
int client_get(const struct url *url, struct client_response *ret_response, char *message,
               size_t message_size);

/* Writes what a person wants to know of RESPONSE beside its status: the first line of its body, or
 * where it redirects to; a string, cut to SIZE > 0 bytes. Bytes that are not printable ASCII become
 * "?", so that nothing of a server steers a terminal. */
void client_describe(const struct client_response *response, char *buffer, size_t size);

#endif
