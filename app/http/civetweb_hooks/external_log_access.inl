/* Included by civetweb.c: its access log. Ours is visits.txt. */
static void log_access(const struct mg_connection *conn)
{
    (void)conn;
}
