#include "http/request.h"

#include "http/civetweb_glue.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

_Static_assert((int)REQUEST_FIELDS_MAX < (int)HEAD_FIELDS_MAX,
               "civetweb would refuse one more, with 400");

/* RFC 9110 §5.6.2 */
static bool is_token_character(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && is_token_character(*p))
        p++;
    return (size_t)(p - start);
}

size_t request_skip_empty_lines(const char *head, size_t length)
{
    size_t at = 0;
    while (length - at >= 2 && head[at] == '\r' && head[at + 1] == '\n')
        at += 2;
    return at;
}

bool request_has_begun(const char *head, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (head[i] != '\r' && head[i] != '\n')
            return true;
    return false;
}

/* method SP request-target SP HTTP-version (RFC 9112 §3). Returns 0 or a status. */
static int scan_request_line(const char *p, const char *end)
{
    size_t method = token_length(p, end);
    if (method == 0 || p + method == end || p[method] != ' ')
        return 400;
    const char *target = p + method + 1;
    const char *space = memchr(target, ' ', (size_t)(end - target));
    if (!space || space == target)
        return 400;
    for (const char *c = target; c < space; c++)
        if (!isgraph((unsigned char)*c) || *c == '#')
            return 400;
    const char *version = space + 1;
    if (end - version != 8 || memcmp(version, "HTTP/", 5) != 0 ||
        !isdigit((unsigned char)version[5]) || version[6] != '.' ||
        !isdigit((unsigned char)version[7]))
        return 400;
    if (version[5] != '1')
        return 505;
    /* RFC 9110 §9.1 asks for 501 if a method is unknown. 405 with the allowed methods helps more,
     * and civetweb's parser refuses most methods with 400. */
    bool known =
        (method == 3 && memcmp(p, "GET", 3) == 0) || (method == 4 && memcmp(p, "HEAD", 4) == 0);
    return known ? 0 : 405;
}

/* field-name ":" OWS field-value OWS (RFC 9112 §5). Refuses a line that starts with white space, an
 * obsolete continuation (§5.2), and white space before the colon, an attack (§5.1). */
static int scan_field(char *p, char *end)
{
    size_t name = token_length(p, end);
    if (name == 0 || p + name == end || p[name] != ':')
        return 400;
    for (p += name; p < end; p++) {
        if (*p == '\t')
            *p = ' ';
        if ((unsigned char)*p < ' ' || *p == 127)
            return 400;
    }
    return 0;
}

/* What the lines of a head say about the body: a set of these. */
enum { HTTP_1_0 = 1, HAS_LENGTH = 2, IS_CHUNKED = 4, WAITS = 8, IS_FAULTY = 16 };

static bool begins_with(const char *line, const char *end, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(end - line) >= length && strncasecmp(line, text, length) == 0;
}

/* Returns what the field LINE adds to FRAMING. Two lengths, two codings, one of each, and a coding
 * in HTTP/1.0 are faulty (RFC 9112 §6.1, §6.3). So is any other coding or spelling: a proxy may
 * read it differently (§11.2). Must see the line before scan_field() replaces its tabs. */
static int scan_framing(int framing, const char *line, const char *end)
{
    static const char chunked[] = "Transfer-Encoding: chunked";
    if (begins_with(line, end, "Expect:"))
        return WAITS;
    if (begins_with(line, end, "Content-Length:"))
        return framing & (HAS_LENGTH | IS_CHUNKED) ? IS_FAULTY : HAS_LENGTH;
    if (!begins_with(line, end, "Transfer-Encoding:"))
        return 0;
    bool is_exact = begins_with(line, end, chunked) && end - line == sizeof chunked - 1;
    return is_exact && !(framing & ~WAITS) ? IS_CHUNKED : IS_FAULTY;
}

/* Some proxies send each request chunked. Its only body here is empty: the last chunk, without
 * extensions and trailers (RFC 9112 §7.1). */
static const char last_chunk[] = "0\r\n\r\n";
enum { LAST_CHUNK_LENGTH = sizeof last_chunk - 1 };

/* Returns 0, or the status that refuses the LENGTH bytes of a chunked body that have arrived. */
static int scan_body(int framing, const char *body, size_t length)
{
    /* A client that waits for 100 (Continue) has content, and needs a response now (RFC 9110
     * §10.1.1). */
    if (framing & WAITS)
        return 413;
    if (memcmp(body, last_chunk, length < LAST_CHUNK_LENGTH ? length : LAST_CHUNK_LENGTH) == 0)
        return 0;
    return isxdigit((unsigned char)*body) ? 413 : 400;
}

int request_head_length(char *head, size_t length, int *ret_body_length)
{
    char *line = head, *end = head + length;
    int status = 0, lines = 0, framing = 0;
    *ret_body_length = 0;
    for (;;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline)
            break;
        /* RFC 9112 §2.2 allows a bare LF as the end of a line. Proxies disagree on it, so it is
         * refused. */
        if (newline == line || newline[-1] != '\r')
            return -400;
        if (newline - line == 1) {
            line = newline + 1;
            if (lines == 0)
                return -400;
            if (!status && (framing & IS_CHUNKED)) {
                status = scan_body(framing, line, (size_t)(end - line));
                *ret_body_length = LAST_CHUNK_LENGTH;
            }
            if (status)
                return -status;
            if (end - line < *ret_body_length)
                break;
            return (int)(line - head);
        }
        framing |= lines > 0            ? scan_framing(framing, line, newline - 1)
                   : newline[-2] == '0' ? HTTP_1_0
                                        : 0;
        if (framing & IS_FAULTY)
            return -400;
        int bad = lines == 0 ? scan_request_line(line, newline - 1) : scan_field(line, newline - 1);
        /* Report 405 only at the end of the head: a malformed request gets 400, whatever its
         * method. */
        if (bad && bad != 405)
            return -bad;
        if (bad)
            status = bad;
        if (lines++ > REQUEST_FIELDS_MAX)
            return -431;
        line = newline + 1;
    }
    if (length >= REQUEST_HEAD_MAX)
        return lines == 0 ? -414 : -431;
    /* Refuse bytes that cannot begin a request line now, not when the request expires. */
    if (lines == 0 && length > 0 && !is_token_character(head[0]) && head[0] != '\r')
        return -400;
    return 0;
}

/* Does the list VALUE (RFC 9110 §5.6.1) contain TOKEN? */
static bool has_token(const char *value, const char *token)
{
    size_t length = strlen(token);
    while (*value) {
        value += strspn(value, " ,");
        size_t member = strcspn(value, " ,;");
        if (member == length && strncasecmp(value, token, length) == 0)
            return true;
        value += strcspn(value, ",");
    }
    return false;
}

/* Checks the characters of uri-host [":" port] (RFC 9110 §7.2, RFC 3986 §3.2.2). It may be empty.
 */
static bool is_host(const char *value, size_t length)
{
    const char *end = value + length;
    if (length > 0 && *value == '[') {
        const char *bracket = memchr(value, ']', length);
        if (!bracket ||
            strspn(value + 1, "0123456789abcdefABCDEF:.") < (size_t)(bracket - value - 1))
            return false;
        value = bracket + 1;
    } else {
        while (value < end &&
               (isalnum((unsigned char)*value) || (*value && strchr("-._~%!$&'()*+,;=", *value))))
            value++;
    }
    if (value < end && *value == ':')
        for (value++; value < end && isdigit((unsigned char)*value);)
            value++;
    return value == end;
}

/* The length of VALUE without trailing white space, which civetweb does not remove. */
static size_t value_length(const char *value)
{
    size_t length = strlen(value);
    while (length > 0 && value[length - 1] == ' ')
        length--;
    return length;
}

struct fields {
    int hosts;
    bool close, keep_alive, has_body, malformed;
};

static void take_field(struct fields *fields, const struct header_field *field,
                       struct request *request)
{
    const char *name = field->name, *value = field->value;
    if (strcasecmp(name, "Host") == 0) {
        fields->hosts++;
        fields->malformed |= !is_host(value, value_length(value));
    } else if (strcasecmp(name, "Content-Length") == 0) {
        size_t length = value_length(value);
        fields->malformed |= length == 0 || strspn(value, "0123456789") != length;
        fields->has_body |= strspn(value, "0") != length;
    } else if (strcasecmp(name, "Connection") == 0) {
        fields->close |= has_token(value, "close");
        fields->keep_alive |= has_token(value, "keep-alive");
    } else if (strcasecmp(name, "Sec-Purpose") == 0 || strcasecmp(name, "Purpose") == 0 ||
               strcasecmp(name, "X-Moz") == 0) {
        request->prefetch |= has_token(value, "prefetch");
    } else if (strcasecmp(name, "Accept") == 0 && !request->accept) {
        request->accept = value;
    }
}

/* Accepts origin-form and absolute-form (RFC 9112 §3.2). Returns the path within TARGET, "/" for an
 * absolute-form without a path, or NULL for any other form. */
static const char *find_path(const char *target)
{
    if (target[0] == '/')
        return target;
    if (strncasecmp(target, "http://", 7) != 0)
        return NULL;
    const char *authority = target + 7;
    size_t length = strcspn(authority, "/?");
    if (length == 0 || !is_host(authority, length))
        return NULL;
    /* An empty path is "/" (RFC 9110 §4.2.3). Its query is ignored. */
    return authority[length] == '/' ? authority + length : "/";
}

int request_parse(char *text, size_t length, struct request *ret_request)
{
    struct request_head head;
    struct request request = {0};
    struct fields fields = {0};
    int status = civetweb_split_head(text, length, &head);
    if (status != 0)
        return status;
    for (unsigned i = 0; i < head.fields_count; i++)
        take_field(&fields, &head.fields[i], &request);
    request.http_1_0 = strcmp(head.version, "1.0") == 0;
    request.head_only = strcmp(head.method, "HEAD") == 0;
    request.keep_alive = !fields.close && (!request.http_1_0 || fields.keep_alive);
    if (fields.malformed || fields.hosts > 1 || (fields.hosts == 0 && !request.http_1_0))
        return 400;
    if (fields.has_body)
        return 413;
    request.path = find_path(head.target);
    if (!request.path)
        return 400;
    request.path_length = strcspn(request.path, "?");
    request.query = request.path + request.path_length;
    request.query += *request.query == '?';
    *ret_request = request;
    return 0;
}

/* The weight among the parameters of a list member, such as ";q=0.5": 0 to 1000 (RFC 9110 §12.4.2).
 * 1000 if there is none. */
static int parse_quality(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p != ';')
            continue;
        for (p++; p < end && *p == ' ';)
            p++;
        if (end - p < 3 || (*p != 'q' && *p != 'Q') || p[1] != '=')
            continue;
        int quality = p[2] == '1' ? 1000 : 0, weight = 100;
        for (p += 3; p < end && (*p == '.' || isdigit((unsigned char)*p)); p++) {
            if (*p == '.')
                continue;
            quality += (*p - '0') * weight;
            weight /= 10;
        }
        return quality > 1000 ? 1000 : quality;
    }
    return 1000;
}

int request_quality(const char *accept, const char *type)
{
    size_t main_type = strcspn(type, "/") + 1;
    int quality = 0, specificity = -1;
    if (!accept || !*accept)
        return 1000;
    while (*accept) {
        accept += strspn(accept, " ,");
        const char *end = accept + strcspn(accept, ",");
        size_t range = strcspn(accept, " ,;");
        int how = -1;
        if (range == strlen(type) && strncasecmp(accept, type, range) == 0)
            how = 2;
        else if (range == main_type + 1 && strncasecmp(accept, type, main_type) == 0 &&
                 accept[main_type] == '*')
            how = 1;
        else if (range == 3 && memcmp(accept, "*/*", 3) == 0)
            how = 0;
        if (how > specificity) {
            specificity = how;
            quality = parse_quality(accept + range, end);
        }
        accept = end;
    }
    return quality;
}

int request_parameter(const char *query, const char *name, const char **ret_value)
{
    size_t name_length = strlen(name);
    while (*query) {
        size_t length = strcspn(query, "&");
        if (length > name_length && memcmp(query, name, name_length) == 0 &&
            query[name_length] == '=') {
            *ret_value = query + name_length + 1;
            return (int)(length - name_length - 1);
        }
        query += length;
        query += *query == '&';
    }
    return -1;
}
