#include "site/page.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static const char lines[RECENT_LINES + 1][LINE_LENGTH] = {
    "2022-11-28 22:54:21.000001+03:00\n", "2022-11-28 22:54:22.000002+03:00\n",
    "2022-11-28 22:54:23.000003+03:00\n", "2022-11-28 22:54:24.000004+03:00\n",
    "2022-11-28 22:54:25.000005+03:00\n", "2022-11-28 22:54:26.913511+03:00\n",
};

/* The page of VISIT, in a buffer that the next call overwrites. */
static const char *text_of(const struct page_visit *visit)
{
    static char html[PAGE_MAX];
    (void)page_of_visit(visit, html, sizeof html);
    return html;
}

static struct page_frame frame;

static void expect_visit(void)
{
    page_frame_init(&frame, "chart-web-app-0");
    struct page_visit visit = {17, lines[5], &frame, lines, RECENT_LINES};
    const char *html = text_of(&visit);
    ok(strstr(html, "<h1>Visit 17</h1>") != NULL, "the page shows the number of the visit");
    ok(strstr(html, "<time>2022-11-28 22:54:26.913511+03:00</time>") != NULL,
       "the page shows its time");
    ok(strstr(html, "<b>chart-web-app-0</b>") != NULL, "the page shows the pod");
    const char *before = strstr(html, "Before you");
    const char *newest = strstr(html, "<td>16<td><time>2022-11-28 22:54:25.000005+03:00");
    const char *oldest = strstr(html, "<td>12<td><time>2022-11-28 22:54:21.000001+03:00");
    ok(before && newest && oldest && before < newest && newest < oldest,
       "the page shows the visits before it with their numbers, the newest first");
    const char *url = strstr(html, "http:");
    ok(url && memcmp(url, "http://www.w3.org/2000/svg'", 27) == 0 && !strstr(url + 1, "http:") &&
           strstr(html, "<link rel=icon href=\"data:") && !strstr(html, "src=") &&
           !strstr(html, "<script"),
       "the page loads nothing from anywhere: its icon is in it");
    ok(strstr(html, "prefers-color-scheme:dark") && strstr(html, "name=viewport"),
       "the page has styles for dark mode and small screens");
    visit = (struct page_visit){1, lines[5], &frame, lines, 0};
    ok(!strstr(text_of(&visit), "Before you"), "the first visit has no visits before it");
    visit = (struct page_visit){UINT64_MAX, lines[5], &frame, lines, RECENT_LINES};
    ok(strstr(text_of(&visit), "<h1>Visit 18446744073709551615</h1>") != NULL,
       "the largest number fits");
}

/* The sanitizer watches the end of each buffer. */
static void expect_cuts(void)
{
    struct page_visit visit = {17, lines[5], &frame, lines, RECENT_LINES};
    bool right = true;
    char whole[PAGE_MAX];
    size_t length = page_of_visit(&visit, whole, sizeof whole);
    for (size_t size = 1; size <= length; size++) {
        char *html = malloc(size);
        right = right && page_of_visit(&visit, html, size) == size - 1 &&
                memcmp(html, whole, size - 1) == 0;
        right = right && page_of_failure(&frame, "No space left on device", html, size) < size;
        free(html);
    }
    ok(right, "a page is truncated to its buffer, at every size");
    (void)page_of_failure(&frame, "No space left on device", whole, sizeof whole);
    ok(strstr(whole, "No space left on device") && strstr(whole, "does not count"),
       "the page of a failure gives the reason, and says that the visit does not count");
}

static void expect_bounds(void)
{
    char html[PAGE_MAX], pod[65];
    memset(pod, 'p', 64);
    pod[64] = '\0';
    page_frame_init(&frame, pod);
    struct page_visit visit = {UINT64_MAX, lines[5], &frame, lines, RECENT_LINES};
    struct text text = text_begin(html, PAGE_START_MAX);
    page_start(&text, "Visits", &frame);
    ok(!text.overflowed, "the start of the page of the longest name fits");
    ok(page_of_visit(&visit, html, sizeof html) <= 4096, "the longest page has at most 4 KB");
}

void test_page(void)
{
    expect_visit();
    expect_cuts();
    expect_bounds();
}
