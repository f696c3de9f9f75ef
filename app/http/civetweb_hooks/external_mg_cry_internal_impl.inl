/* Included by civetweb.c in place of its error messages. The error of a socket is in errno, and
 * listeners.c reports it. */
static void mg_cry_internal_impl(const struct mg_connection *conn, const char *func, unsigned line,
                                 const char *fmt, va_list ap)
{
    (void)conn, (void)func, (void)line, (void)fmt, (void)ap;
}
