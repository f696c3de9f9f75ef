/* Included by civetweb.c in place of its access log: visits.txt is our log. */
static void log_access(const struct mg_connection *conn)
{
    (void)conn;
}
