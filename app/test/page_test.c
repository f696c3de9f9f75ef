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

static void expect_visit(void)
{
    struct page_visit visit = {17, lines[5], "chart-web-app-0", lines, RECENT_LINES};
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
    ok(!strstr(html, "http:") && !strstr(html, "src=") && !strstr(html, "<link") &&
           !strstr(html, "<script"),
       "the page loads nothing from anywhere");
    ok(strstr(html, "prefers-color-scheme:dark") && strstr(html, "name=viewport"),
       "the page has styles for dark mode and small screens");
    visit = (struct page_visit){1, lines[5], "chart-web-app-0", lines, 0};
    ok(!strstr(text_of(&visit), "Before you"), "the first visit has no visits before it");
    visit = (struct page_visit){UINT64_MAX, lines[5], "chart-web-app-0", lines, RECENT_LINES};
    ok(strstr(text_of(&visit), "<h1>Visit 18446744073709551615</h1>") != NULL,
       "the largest number fits");
}

/* The sanitizer watches the end of each buffer. */
static void expect_cuts(void)
{
    struct page_visit visit = {17, lines[5], "chart-web-app-0", lines, RECENT_LINES};
    struct sample_point points[2] = {{0, 1}, {1000, 17}};
    bool right = true;
    char whole[PAGE_MAX];
    size_t length = page_of_visit(&visit, whole, sizeof whole);
    for (size_t size = 1; size <= length; size++) {
        char *html = malloc(size);
        right = right && page_of_visit(&visit, html, size) == size - 1 &&
                memcmp(html, whole, size - 1) == 0;
        right = right && page_of_failure("pod", "No space left on device", html, size) < size;
        right = right && page_of_visits_head("pod", 17, 5, points, 2, html, size) < size;
        free(html);
    }
    ok(right, "a page is truncated to its buffer, at every size");
    (void)page_of_failure("chart-web-app-0", "No space left on device", whole, sizeof whole);
    ok(strstr(whole, "No space left on device") && strstr(whole, "does not count"),
       "the page of a failure gives the reason, and says that the visit does not count");
}

static void expect_listing_head(void)
{
    struct sample_point points[SAMPLE_POINTS];
    char html[PAGE_MAX], pod[65];
    memset(pod, 'p', 64);
    pod[64] = '\0';
    for (unsigned i = 0; i < SAMPLE_POINTS; i++)
        points[i] = (struct sample_point){(int64_t)i * 5000000000,
                                          1 + (UINT64_MAX / 200 / SAMPLE_POINTS) * i};
    size_t length = page_of_visits_head(pod, UINT64_MAX, UINT64_MAX - 1, points, SAMPLE_POINTS,
                                        html, sizeof html);
    ok(length > 8 && strcmp(html + length - 8, "<table>\n") == 0,
       "the longest head of a listing fits");
    ok(strstr(html, "points=\"0,160 ") && strstr(html, "600,0 \"") != NULL,
       "the plot goes from the lower left to the upper right");
    struct sample_point back[3] = {{1000, 1}, {500, 2}, {2000, 3}},
                        still[2] = {{1000, 1}, {1000, 2}};
    (void)page_of_visits_head(pod, 3, 3, back, 3, html, sizeof html);
    ok(strstr(html, "points=\"0,160 0,80 600,0 \"") != NULL,
       "points of a clock that was set back stay within the plot");
    (void)page_of_visits_head(pod, 2, 2, still, 2, html, sizeof html);
    ok(!strstr(html, "<svg") && !strstr(html, "The last"),
       "there is no plot if all visits have the same time");
    (void)page_of_visits_head(pod, 1, 1, still, 1, html, sizeof html);
    ok(strstr(html, "<h1>1 visit</h1>") != NULL, "one visit is in the singular");
}

void test_page(void)
{
    expect_visit();
    expect_cuts();
    expect_listing_head();
}
