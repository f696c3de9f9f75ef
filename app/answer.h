/* Puts a response together in one buffer: the body first, then its head in front of it, so that
 * both leave in one send(2). Every response is dated, framed, and says it when it is the last (RFC
 * 9112 §6, §9.6). */
#ifndef ANSWER_H
#define ANSWER_H

#include "handler.h"

#include <time.h>

/* What one thread's responses share. */
struct answers {
    const char *fields; /* header fields of all of them, each with its CR LF */
    time_t date_second;
    char date[80]; /* the Date of that second: every response has one */
};

/* FIELDS, of up to ANSWER_FIELDS_MAX bytes, must outlive it. */
enum { ANSWER_FIELDS_MAX = 256 };
void answers_init(struct answers *answers, const char *fields);

/* Where the body goes, and how much of it there may be. */
char *answer_body(const struct reply *reply);
enum { ANSWER_BODY_MAX = REPLY_MAX - 1024 };

/* Completes REPLY with the BODY_LENGTH bytes that are at answer_body(). FIELDS: more header fields,
 * of up to ANSWER_FIELDS_MAX bytes, or "". */
void answer_finish(struct answers *answers, struct reply *reply, int status, const char *type,
                   const char *fields, size_t body_length);

/* Only a head, to a HEAD request whose body's length nobody knows (RFC 9110 §9.3.2). */
void answer_head(struct answers *answers, struct reply *reply, const char *type,
                 const char *fields);

/* Only a head: the body comes from reply->stream, in chunks, or up to the end of the connection
 * where the client speaks HTTP/1.0. */
void answer_stream(struct answers *answers, struct reply *reply, const char *type);

#endif
