#include "site/page.h"

#include "base/text.h"
#include "site/rows.h"

#include <assert.h>

const char page_fields[] =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
    "Vary: Accept\r\n";

/* The start of every page. */
static const char start[] =
    "<!doctype html>\n"
    "<html lang=en>\n"
    "<meta charset=utf-8>\n"
    "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=color-scheme content=\"light dark\">\n"
    "<style>\n"
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:8vh auto;padding:0 1.2rem}\n"
    "h1{font-size:3.2rem;line-height:1.1;margin:0 0 .6rem}\n"
    "p{margin:.2rem 0}\n"
    "time,td,b{font-variant-numeric:tabular-nums}\n"
    "small,h2{font-size:.95rem;font-weight:400;color:#68747f}\n"
    "h2{margin:2.2rem 0 .3rem}\n"
    "table{border-spacing:0}\n"
    "td{padding:0 1rem 0 0;font-size:.95rem;white-space:nowrap}\n"
    "td:first-child{text-align:right;color:#68747f}\n"
    "a{color:#2a6fdb}\n"
    "svg{width:100%;height:auto;margin:1rem 0}\n"
    "polyline{fill:none;stroke:#2a6fdb;stroke-width:2;vector-effect:non-scaling-stroke}\n"
    "@media(prefers-color-scheme:dark){a{color:#8ab8ff}polyline{stroke:#8ab8ff}"
    "small,h2,td:first-child{color:#98a4af}}\n"
    "</style>\n";

/* PAGE_MAX follows from these bounds, in bytes. */
enum {
    POD_MAX = 64,
    NUMBER_MAX = sizeof "18446744073709551615" - 1,
    ROW_MAX = sizeof "<tr><td><td><time></time>\n" - 1 + NUMBER_MAX + TIMESTAMP_LENGTH,
    POINT_MAX = sizeof "600,160 " - 1,
    WORDS_MAX = 1024, /* all other text of a page, with the reason of a failure */
};
_Static_assert(sizeof start + 3 * POD_MAX + RECENT_LINES * ROW_MAX + WORDS_MAX < PAGE_MAX,
               "a page fits");
_Static_assert(sizeof start + 2 * POD_MAX + SAMPLE_POINTS * POINT_MAX + WORDS_MAX < PAGE_MAX,
               "the head of a listing fits");

static size_t finish(const struct text *text)
{
    assert(!text->overflowed || text->size < PAGE_MAX);
    return text->length;
}

/* The name of the pod in the title distinguishes browser tabs. */
static void put_start(struct text *text, const char *title, const char *pod)
{
    text_bytes(text, start, sizeof start - 1);
    text_string(text, "<title>");
    text_string(text, title);
    text_string(text, " \xc2\xb7 ");
    text_string(text, pod);
    text_string(text, "</title>\n");
}

size_t page_of_visit(const struct page_visit *visit, char *html, size_t size)
{
    struct text text = text_begin(html, size);
    assert(visit->before_count <= RECENT_LINES);
    put_start(&text, "Visit", visit->pod);
    text_string(&text, "<h1>Visit ");
    text_number(&text, visit->number);
    text_string(&text, "</h1>\n<p><time>");
    text_bytes(&text, visit->timestamp, TIMESTAMP_LENGTH);
    text_string(&text, "</time>\n<p>Recorded by <b>");
    text_string(&text, visit->pod);
    text_string(&text, "</b> in its file.\n");
    if (visit->before_count > 0)
        text_string(&text, "<h2>Before you</h2>\n<table>\n");
    for (unsigned i = visit->before_count; i > 0; i--)
        row_html(&text, visit->number - (visit->before_count - i) - 1, visit->before[i - 1]);
    if (visit->before_count > 0)
        text_string(&text, "</table>\n");
    text_string(&text, "<h2><a href=visits>All visits</a></h2>\n</html>\n");
    return finish(&text);
}

size_t page_of_failure(const char *pod, const char *reason, char *html, size_t size)
{
    struct text text = text_begin(html, size);
    put_start(&text, "Not now", pod);
    text_string(&text,
                "<h1>Not now</h1>\n<p>This visit could not be recorded, so it does not count: ");
    text_string(&text, reason);
    text_string(&text, ".\n<p>Please try again in a moment.\n<p><small>");
    text_string(&text, pod);
    text_string(&text, "</small>\n</html>\n");
    return finish(&text);
}

/* A plot of the number of visits over time: a line from the lower left to the upper right. */
static void put_plot(struct text *text, const struct sample_point *points, unsigned count)
{
    enum { WIDTH = 600, HEIGHT = 160 };
    assert(count <= SAMPLE_POINTS);
    int64_t start_seconds = points[0].seconds, span = points[count - 1].seconds - start_seconds;
    uint64_t first = points[0].number, rise = points[count - 1].number - first;
    if (span <= 0 || rise == 0)
        return;
    text_string(text,
                "<svg viewBox=\"0 -4 600 168\" role=img aria-label=\"The number of visits over "
                "time\"><polyline points=\"");
    for (unsigned i = 0; i < count; i++) {
        int64_t since = points[i].seconds - start_seconds;
        /* The clock may have been set back between two visits. */
        since = since < 0 ? 0 : since > span ? span : since;
        text_number(text, (uint64_t)(since * WIDTH / span));
        text_string(text, ",");
        text_number(text, HEIGHT - (points[i].number - first) * HEIGHT / rise);
        text_string(text, " ");
    }
    text_string(text, "\"/></svg>\n");
}

size_t page_of_visits_head(const char *pod, uint64_t count, uint64_t listed,
                           const struct sample_point *points, unsigned points_count, char *html,
                           size_t size)
{
    struct text text = text_begin(html, size);
    put_start(&text, "Visits", pod);
    text_string(&text, "<h1>");
    text_number(&text, count);
    text_string(&text, count == 1 ? " visit</h1>\n" : " visits</h1>\n");
    text_string(&text, "<p>Recorded by <b>");
    text_string(&text, pod);
    text_string(&text, "</b>, also available as <a href=\"visits?format=text\">text</a>, "
                       "<a href=\"visits?format=json\">JSON</a> or "
                       "<a href=\"visits?format=raw\">the file</a>.\n");
    if (points_count > 1)
        put_plot(&text, points, points_count);
    if (listed < count) {
        text_string(&text, "<h2>The last ");
        text_number(&text, listed);
        text_string(&text, "</h2>\n");
    }
    text_string(&text, "<table>\n");
    return finish(&text);
}

const char page_of_visits_foot[] = "</table>\n</html>\n";
