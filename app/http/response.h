/* Puts a response together in one buffer: the body first, then its head in front of it, so that
 * both leave in one send(2). Every response is dated, framed, and says it when it is the last (RFC
 * 9112 §6, §9.6). */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "http/handler.h"

#include <time.h>

/* What one thread's responses share. */
struct response_defaults {
    const char *fields; /* header fields of all of them, each with its CR LF */
    time_t date_second;
    char date[80]; /* the Date of that second: every response has one */
};

/* FIELDS, of up to RESPONSE_FIELDS_MAX bytes, must outlive it. */
enum { RESPONSE_FIELDS_MAX = 256 };
void response_defaults_init(struct response_defaults *defaults, const char *fields);

/* Where the body goes, and how much of it there may be. */
char *response_body(const struct response *response);
enum { RESPONSE_BODY_MAX = RESPONSE_MAX - 1024 };

/* Completes REPLY with the BODY_LENGTH bytes that are at response_body(). FIELDS: more header
 * fields, of up to RESPONSE_FIELDS_MAX bytes, or "". */
void response_finish(struct response_defaults *defaults, struct response *response, int status,
                     const char *type, const char *fields, size_t body_length);

/* Only a head, to a HEAD request whose body's length nobody knows (RFC 9110 §9.3.2). */
void response_head(struct response_defaults *defaults, struct response *response, const char *type,
                   const char *fields);

/* Only a head: the body comes from response->stream, in chunks, or up to the end of the connection
 * where the client speaks HTTP/1.0. */
void response_stream(struct response_defaults *defaults, struct response *response,
                     const char *type);

#endif
