#include "site/accent.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

static bool is_same(const struct accent *one, const struct accent *other)
{
    return strcmp(one->light, other->light) == 0 && strcmp(one->shape, other->shape) == 0;
}

static void expect_set(const char *set)
{
    enum { PODS = 40, COLOURS = 8 };
    struct accent accents[PODS];
    bool all_differ = true, colours_differ = true, neighbours_differ = true;
    for (int i = 0; i < PODS; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s-%d", set, i);
        accents[i] = accent_of(name);
        for (int j = 0; j < i; j++) {
            all_differ = all_differ && !is_same(&accents[i], &accents[j]);
            if (i - j < COLOURS)
                colours_differ = colours_differ &&
                                 strcmp(accents[i].light, accents[j].light) != 0 &&
                                 strcmp(accents[i].dark, accents[j].dark) != 0;
        }
        neighbours_differ =
            neighbours_differ && (i == 0 || strcmp(accents[i].shape, accents[i - 1].shape) != 0);
    }
    ok(all_differ, "40 pods of %s differ in colour or shape", set);
    ok(colours_differ, "8 pods of %s in turn differ in colour", set);
    ok(neighbours_differ, "neighbours of %s differ in shape", set);
}

static void expect_mark(const char *pod, const char *mark)
{
    struct accent accent = accent_of(pod);
    ok(strcmp(accent.mark, mark) == 0, "the mark of '%s' is '%s': '%s'", pod, mark, accent.mark);
}

void test_accent(void)
{
    struct accent one = accent_of("chart-web-app-0"), again = accent_of("chart-web-app-0");
    ok(is_same(&one, &again) && strcmp(one.mark, "0") == 0, "a pod always looks the same");
    expect_set("chart-web-app");
    expect_set("guests");
    expect_mark("chart-web-app-12", "12");
    expect_mark("chart-web-app-123", "123");
    expect_mark("chart-web-app-1234", "34");
    expect_mark("web-app-7d9f8c6b5-x2k4z", "4z");
    expect_mark("laptop", "op");
    expect_mark("host7", "t7");
    expect_mark("7", "7");
    expect_mark("-5", "5");
    expect_mark("", "");
}
