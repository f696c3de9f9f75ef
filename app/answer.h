/* Answers put together in one buffer: the body first, then its head in front of it, so that both
 * leave in one send(2). Every answer is dated, framed, and says it when it is the last (RFC 9112
 * §6, §9.6). */
#ifndef ANSWER_H
#define ANSWER_H

#include "event_loop.h"

#include <time.h>

/* What one thread's answers share. */
struct answers {
    const char *pod;
    time_t date_second;
    char date[80]; /* the Date of that second, kept since it is asked for with every answer */
};

void answers_init(struct answers *answers, const char *pod);

/* Where the body goes, and how much of it there may be. */
char *answer_body(const struct reply *reply);
enum { ANSWER_BODY_MAX = REPLY_MAX - 768 };

/* Completes REPLY with the BODY_LENGTH bytes that are at answer_body(). EXTRA: more header fields,
 * each with its CR LF, or "". */
void answer_finish(struct answers *answers, struct reply *reply, int status, const char *type,
                   const char *extra, size_t body_length);

/* A short text as the whole body. */
void answer_text(struct answers *answers, struct reply *reply, int status, const char *extra,
                 const char *text);

/* Only a head, to a HEAD request whose body's length nobody knows (RFC 9110 §9.3.2). */
void answer_head(struct answers *answers, struct reply *reply, const char *type, const char *extra);

/* Only a head: the body comes from reply->stream, in chunks, or up to the end of the connection
 * where the client speaks HTTP/1.0. */
void answer_stream(struct answers *answers, struct reply *reply, const char *type);

#endif
