/* Responses of the site. Each is counted in the metrics here, and nowhere else. */
#ifndef RESPOND_H
#define RESPOND_H

#include "site/metrics.h"
#include "site/site.h"

enum media_type { MEDIA_TEXT, MEDIA_HTML, MEDIA_JSON, MEDIA_METRICS };

/* How much the client wants that type: 0 to 1000. */
int media_quality(const struct request *request, enum media_type type);

/* What has been put at response_body(), of LENGTH bytes. FIELDS: more header fields, each with its
 * CR LF, or "". */
void respond(struct worker *worker, struct response *response, enum metrics_path path, int status,
             enum media_type type, const char *fields, size_t length);

/* A short text. */
void respond_text(struct worker *worker, struct response *response, enum metrics_path path,
                  int status, const char *text);

/* 503, with Retry-After, since a visit cannot be recorded or the visits cannot be read now. */
void respond_unavailable(struct worker *worker, struct response *response, enum metrics_path path,
                         enum media_type type, size_t length);

/* To HEAD, where only the fields of a GET's response are known. */
void respond_head(struct worker *worker, struct response *response, enum metrics_path path,
                  enum media_type type, const char *fields);

/* What STREAM makes; it is ended with the response. */
void respond_stream(struct worker *worker, struct response *response, enum metrics_path path,
                    enum media_type type, struct stream *stream);

#endif
