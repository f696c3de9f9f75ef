/* Completes the responses of the site. Each is counted in the metrics here, and nowhere else. */
#ifndef RESPOND_H
#define RESPOND_H

#include "site/metrics.h"
#include "site/site.h"

enum media_type { MEDIA_TEXT, MEDIA_HTML, MEDIA_JSON, MEDIA_CSV, MEDIA_METRICS };

/* The quality of TYPE in the Accept field of REQUEST: 0 to 1000 (request.h). */
int media_quality(const struct request *request, enum media_type type);

/* Responds with the LENGTH bytes at response_body(). FIELDS: more header fields, each with its CR
 * LF, or "". */
void respond(struct worker *worker, struct response *response, enum metrics_path path, int status,
             enum media_type type, const char *fields, size_t length);

/* Responds with TEXT, of up to RESPONSE_BODY_MAX bytes. 405 gets the field Allow. */
void respond_text(struct worker *worker, struct response *response, enum metrics_path path,
                  int status, const char *text);

/* Responds with 503, Retry-After and the LENGTH bytes at response_body(): a visit cannot be
 * recorded, the visits cannot be read, or the program is not ready. */
void respond_unavailable(struct worker *worker, struct response *response, enum metrics_path path,
                         enum media_type type, size_t length);

/* Responds to HEAD if only the header fields of the GET's response are known. */
void respond_head(struct worker *worker, struct response *response, enum metrics_path path,
                  enum media_type type, const char *fields);

/* Responds with the body of LENGTH bytes that STREAM produces; UINT64_MAX: the length is unknown.
 * STREAM is ended with the response. */
void respond_stream(struct worker *worker, struct response *response, enum metrics_path path,
                    enum media_type type, const char *fields, struct stream *stream,
                    uint64_t length);

#endif
