/* Builds a response in one buffer: the body first, then the head in front of it, so that one
 * send(2) sends both. Every response has a date and its framing, and announces if it is the last
 * (RFC 9112 §6, §9.6). */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "http/handler.h"

#include <time.h>

/* Values that all responses of one thread share. */
struct response_defaults {
    const char *fields; /* header fields of every response, each with its CR LF */
    time_t date_second; /* the second that `date` holds */
    char date[80];      /* the value of the Date field */
};

/* FIELDS, of up to RESPONSE_FIELDS_MAX bytes, must outlive DEFAULTS. */
enum { RESPONSE_FIELDS_MAX = 256 };
void response_defaults_init(struct response_defaults *defaults, const char *fields);

/* The buffer for the body, of RESPONSE_BODY_MAX bytes. */
char *response_body(const struct response *response);
enum { RESPONSE_BODY_MAX = RESPONSE_MAX - 1024 };

/* Completes RESPONSE. Its body is the BODY_LENGTH bytes at response_body(). FIELDS: more header
 * fields, each with its CR LF, of up to RESPONSE_FIELDS_MAX bytes; or "". */
void response_finish(struct response_defaults *defaults, struct response *response, int status,
                     const char *type, const char *fields, size_t body_length);

/* Writes a head alone, for a HEAD request if the length of the body is unknown (RFC 9110 §9.3.2).
 */
void response_head(struct response_defaults *defaults, struct response *response, const char *type,
                   const char *fields);

/* Writes the head of a long response. Its body of LENGTH bytes comes from response->stream; if
 * LENGTH is UINT64_MAX, in chunks, or for HTTP/1.0 until the end of the connection. */
void response_stream(struct response_defaults *defaults, struct response *response,
                     const char *type, const char *fields, uint64_t length);

#endif
