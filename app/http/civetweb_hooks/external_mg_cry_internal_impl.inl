/* Included by civetweb.c: its messages. What it would say of a socket is in errno, and listeners.c says
 * it in this program's words. */
static void mg_cry_internal_impl(const struct mg_connection *conn, const char *func, unsigned line,
                                 const char *fmt, va_list ap)
{
    (void)conn, (void)func, (void)line, (void)fmt, (void)ap;
}
