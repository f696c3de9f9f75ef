/* Serves visitors with --workers event loops on one port, and probes and metrics with a loop of
 * their own on another, which no visitor and no slow disk can hold up. */
#ifndef SERVER_H
#define SERVER_H

#include "log/visit_log.h"
#include "site/settings.h"

struct server;

/* Starts to serve on threads of their own, which inherit the caller's signal mask. When a sync
 * fails, or somebody else has changed the file, the calling thread is sent SIGUSR1. Returns NULL
 * with the reason in MESSAGE. SETTINGS and LOG must outlive it. */
struct server *server_start(const struct server_settings *settings, struct visit_log *log,
                            char *message, size_t size);

/* The addresses that are served, for people. */
void server_describe(const struct server *server, char *text, size_t size);

/* Not ready from now on, and draining for up to DRAIN_MS; returns at once. May be called again with
 * less time. */
void server_drain(struct server *server, unsigned drain_ms);

/* Has the last of the visitors' loops stopped? */
bool server_has_drained(const struct server *server);

/* Waits for the visitors' loops to stop, then stops the admin loop, and frees everything. */
void server_stop(struct server *server);

#endif
