#include "site/page.h"

#include "site/accent.h"
#include "site/rows.h"

#include <assert.h>

const char page_fields[] =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'self'\r\n"
    "Vary: Accept\r\n";

/* The start of every page. */
static const char start[] =
    "<!doctype html>\n"
    "<html lang=en>\n"
    "<meta charset=utf-8>\n"
    "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=color-scheme content=\"light dark\">\n"
    "<style>\n"
    "html{border-top:.6rem solid var(--a)}\n"
    "body{font:1.1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:5vh auto;padding:0 1.2rem}\n"
    "header{display:flex;align-items:center;gap:.8rem;overflow-wrap:anywhere}\n"
    "header svg{flex:none;width:3.2rem;height:3.2rem;fill:var(--a)}\n"
    "header text{fill:var(--b)}\n"
    "b,dd,h1,a{color:var(--a)}\n"
    "h1{font-size:min(3.2rem,12vw);line-height:1.1;margin:1.4rem 0 .6rem}\n"
    "p{margin:.2rem 0}\n"
    "time,td,b,dd,h1{font-variant-numeric:tabular-nums}\n"
    "small,h2,dt,th,td:first-child,label{color:#68747f}\n"
    "small,h2,dt,th,label{font-size:.95rem;font-weight:400;text-align:left}\n"
    "h2{margin:2rem 0 .3rem}\n"
    "table{border-spacing:0}\n"
    "td,th{padding:0 1rem 0 0;font-size:min(.95rem,3.5vw);white-space:nowrap}\n"
    "td:first-child,th:first-child{text-align:right}\n"
    "dl,form,nav{display:flex;flex-wrap:wrap;gap:.6rem 1.5rem;margin:1.4rem 0}\n"
    "form{align-items:end}dd{margin:0;font-size:1.2rem}dd small{display:block}\n"
    "label *{display:block}input,button{font:inherit}\n"
    ".p{width:calc(100% - 3rem);margin-left:3rem;height:216px;overflow:visible;font-size:12px;"
    "fill:var(--a)}\n"
    ".p svg{overflow:visible}.p text{fill:#68747f}.y{text-anchor:end}\n"
    ".p line{stroke:#68747f;stroke-opacity:.4}\n"
    ".p path:first-of-type{fill:#0000}.p a:hover path{fill-opacity:.6;fill:#68747f}\n"
    "@media(prefers-color-scheme:dark){"
    "small,h2,dt,th,td:first-child,label{color:#98a4af}.p text{fill:#98a4af}}\n";

/* PAGE_MAX follows from these bounds, in bytes. */
enum {
    POD_MAX = 64,
    NUMBER_MAX = sizeof "18446744073709551615" - 1,
    ROW_MAX = sizeof "<tr><td><td><time></time>\n" - 1 + NUMBER_MAX + TIMESTAMP_LENGTH,
    WORDS_MAX = 1024, /* all other text of a page, with the reason of a failure */
};
_Static_assert(sizeof start + POD_MAX + WORDS_MAX < PAGE_START_MAX, "the start of a page fits");
_Static_assert(PAGE_START_MAX + 2 * POD_MAX + RECENT_LINES * ROW_MAX + WORDS_MAX < PAGE_MAX,
               "a page fits");

static size_t finish(const struct text *text)
{
    assert(!text->overflowed || text->size < PAGE_MAX);
    return text->length;
}

/* The mark on its shape, in an SVG of 32 by 32. The colour of the text is for the icon. */
static void put_mark(struct text *text, const struct accent *accent)
{
    const char *size = !accent->mark[1] ? "20" : !accent->mark[2] ? "16" : "13";
    text_strings(text, "<path d='", accent->path,
                 "'/><text x='16' y='16' dy='.36em' text-anchor='middle' font-family='sans-serif' "
                 "font-weight='700' fill='%23fff' font-size='",
                 size, "'>", accent->mark, "</text></svg>");
}

void page_frame_init(struct page_frame *frame, const char *pod)
{
    struct text buffer = text_begin(frame->html, sizeof frame->html), *text = &buffer;
    const struct accent accent = accent_of(pod);
    text_bytes(text, start, sizeof start - 1);
    text_strings(text, ":root{--a:#", accent.light,
                 ";--b:#fff}@media(prefers-color-scheme:dark){:root{--a:#", accent.dark,
                 ";--b:#121212}}\n</style>\n"
                 "<link rel=icon href=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' "
                 "viewBox='0 0 32 32' fill='%23",
                 accent.light, "'>");
    put_mark(text, &accent);
    text_string(text, "\">\n<title>");
    frame->title_at = text->length;
    text_strings(text, " \xc2\xb7 ", pod,
                 "</title>\n<header><svg viewBox='0 0 32 32' role=img aria-label='", accent.name,
                 " ", accent.shape, " ", accent.mark, "'>");
    put_mark(text, &accent);
    text_strings(text, "<b>", pod, "</b></header>\n");
    assert(!text->overflowed);
    frame->length = text->length;
}

void page_start(struct text *text, const char *title, const struct page_frame *frame)
{
    text_bytes(text, frame->html, frame->title_at);
    text_string(text, title);
    text_bytes(text, frame->html + frame->title_at, frame->length - frame->title_at);
}

size_t page_of_visit(const struct page_visit *visit, char *html, size_t size)
{
    struct text text = text_begin(html, size);
    assert(visit->before_count <= RECENT_LINES);
    page_start(&text, "Visit", visit->frame);
    text_string(&text, "<main>\n<h1>Visit ");
    text_number(&text, visit->number);
    text_string(&text, "</h1>\n<p><time>");
    text_bytes(&text, visit->timestamp, TIMESTAMP_LENGTH);
    text_string(&text, "</time>\n<p>Recorded in the file of this pod.\n");
    if (visit->before_count > 0)
        text_string(&text, "<h2>Before you</h2>\n<table>\n");
    for (unsigned i = visit->before_count; i > 0; i--)
        row_html(&text, visit->number - (visit->before_count - i) - 1, visit->before[i - 1]);
    if (visit->before_count > 0)
        text_string(&text, "</table>\n");
    text_string(&text, "<p><a href=visits>All visits</a>\n</main>\n</html>\n");
    return finish(&text);
}

size_t page_of_failure(const struct page_frame *frame, const char *reason, char *html, size_t size)
{
    struct text text = text_begin(html, size);
    page_start(&text, "Not now", frame);
    text_strings(
        &text,
        "<main>\n<h1>Not now</h1>\n<p>This visit could not be recorded, so it does not count: ",
        reason, ".\n<p>Please try again in a moment.\n</main>\n</html>\n");
    return finish(&text);
}
