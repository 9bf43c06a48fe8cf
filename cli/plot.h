/*
 * plot: curves as SVG, one panel below the other, each with its axes. Pure: numbers in, text out.
 * The colours suit light and dark pages.
 */
#ifndef CLI_PLOT_H
#define CLI_PLOT_H

#include "base/buf.h"

enum plot_scale {
    PLOT_LINEAR,      /* from zero */
    PLOT_LOGARITHMIC, /* of what is above zero */
    PLOT_PERCENTILE,  /* 0 to below 1, each further nine as wide as the one before */
};

struct plot_axis {
    const char *label;
    enum plot_scale scale;
};

struct plot_point {
    double x, y;
};

struct plot_panel {
    const char *title;
    struct plot_axis x, y;
    const struct plot_point *points; /* in the order of x; at least one */
    size_t count;
};

/* False at the buffer's limit. */
bool plot_write(struct buf *out, const char *title, const struct plot_panel *panels, size_t count);

#endif
