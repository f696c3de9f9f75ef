/* Serves visitors with --workers event loops on one port. Serves probes and metrics on another port
 * with an event loop of its own, which neither visitors nor a slow disk can delay. */
#ifndef SERVER_H
#define SERVER_H

#include "log/visit_log.h"
#include "site/settings.h"

struct server;

/* Opens the sockets. SETTINGS and LOG must outlive the server. Returns NULL on failure, with the
 * reason in MESSAGE of SIZE bytes. */
struct server *server_open(const struct server_settings *settings, struct visit_log *log,
                           char *message, size_t size);

/* Starts the threads of all event loops; they inherit the caller's signal mask. They send SIGUSR1
 * to the thread that called server_open() when a sync fails, when another process has changed the
 * file, and when a loop has stopped. Returns 0, or -1 with the reason in MESSAGE of SIZE bytes;
 * some threads may then be running, so the caller must exit. */
int server_start(struct server *server, char *message, size_t size);

/* Writes the served addresses for the start-up line into TEXT, of SIZE bytes. */
void server_describe(const struct server *server, char *text, size_t size);

/* Starts to drain the visitors' loops, for up to DRAIN_MS; /readyz fails from now on. Returns at
 * once. May be called again with less time. */
void server_drain(struct server *server, unsigned drain_ms);

/* The volume does not respond, or responds again: /readyz fails meanwhile. */
void server_set_stuck(struct server *server, bool is_stuck);

/* Have all visitors' loops stopped? */
bool server_has_drained(const struct server *server);

/* To be called when the visitors' loops have stopped: stops the admin loop, and frees everything.
 */
void server_stop(struct server *server);

#endif
