/* The look of a pod: a colour, a shape and a mark, all derived from its name, so that browser tabs
 * show at a glance which pod each page is from. Pods of a StatefulSet, whose names differ in the
 * number at the end, differ in colour as far as there are colours, and in shape as well. */
#ifndef ACCENT_H
#define ACCENT_H

struct accent {
    const char *name;         /* of the colour */
    const char *light;        /* RRGGBB; contrast with white at least 4.5 (WCAG 2, AA) */
    const char *dark;         /* the same with #121212, for dark mode */
    const char *shape, *path; /* name, and path of an SVG of 32 by 32 */
    char mark[4];             /* the number at the end of the name, else its last two characters */
};

struct accent accent_of(const char *pod);

#endif
