#include "cli/plot.h"

#include <math.h>
#include <stdio.h>

#define WIDTH       720.0
#define HEAD        40.0
#define PANEL       300.0
#define LEFT        90.0
#define RIGHT       24.0
#define TOP         34.0
#define BOTTOM      46.0
#define TICKS_MOST  12u
#define NINES_MOST  6.0
#define PLOT_WIDTH  (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (PANEL - TOP - BOTTOM)

/* An axis with what it spans, in the units in which it is even. */
struct span {
    enum plot_scale scale;
    double from, to;
};

/* Where a value lies on an even line. */
static double even(enum plot_scale scale, double value)
{
    switch (scale) {
    case PLOT_LINEAR: break;
    case PLOT_LOGARITHMIC: return log10(value > 1e-9 ? value : 1e-9);
    case PLOT_PERCENTILE: return -log10(fmax(1 - value, pow(10, -NINES_MOST)));
    }
    return value;
}

static struct span span_of(const struct plot_panel *panel, bool is_x)
{
    enum plot_scale scale = is_x ? panel->x.scale : panel->y.scale;
    struct span span = {.scale = scale, .from = INFINITY, .to = -INFINITY};

    for (size_t i = 0; i < panel->count; i++) {
        double at = even(scale, is_x ? panel->points[i].x : panel->points[i].y);

        span.from = fmin(span.from, at);
        span.to = fmax(span.to, at);
    }
    if (scale == PLOT_LOGARITHMIC) {
        span.from = floor(span.from);
        span.to = ceil(span.to);
    } else {
        span.from = 0;
        span.to = span.to * (is_x ? 1 : 1.08);
    }
    if (!(span.to > span.from)) /* a single value, or zero */
        span.to = span.from + 1;
    return span;
}

static double part(const struct span *span, double value)
{
    return (even(span->scale, value) - span->from) / (span->to - span->from);
}

/* ---- ticks ----------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, so that there are few enough of them. */
static double step_of(double length)
{
    double power = pow(10, floor(log10(length / 6)));
    double rest = length / 6 / power;

    return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10);
}

static size_t ticks_of(const struct span *span, double ticks[static TICKS_MOST])
{
    double step = span->scale == PLOT_LINEAR ? step_of(span->to - span->from) : 1;
    size_t count = 0;

    if (span->scale == PLOT_LOGARITHMIC && span->to - span->from > TICKS_MOST - 1)
        step = 2;
    for (double at = span->from; at <= span->to + step * 1e-6 && count < TICKS_MOST; at += step)
        ticks[count++] = span->scale == PLOT_LINEAR        ? at
                         : span->scale == PLOT_LOGARITHMIC ? pow(10, at)
                                                           : 1 - pow(10, -at);
    return count;
}

/* 1500 as 1.5k: labels have little room. */
static void write_value(char *text, size_t room, double value)
{
    static const struct {
        double least;
        const char *unit;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {0, ""}};
    size_t i = 0;

    while (fabs(value) < units[i].least)
        i++;
    snprintf(text, room, "%.4g%s", units[i].least > 0 ? value / units[i].least : value,
             units[i].unit);
}

static void write_tick(char *text, size_t room, enum plot_scale scale, double value)
{
    if (scale == PLOT_PERCENTILE)
        snprintf(text, room, "%.8gp", value * 100);
    else
        write_value(text, room, value);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text != 0; text++)
        switch (*text) {
        case '<': BUF_ADD(out, "&lt;"); break;
        case '>': BUF_ADD(out, "&gt;"); break;
        case '&': BUF_ADD(out, "&amp;"); break;
        default: buf_add_byte(out, (uint8_t)*text);
        }
}

static void add_text(struct buf *out, double x, double y, const char *class, const char *text)
{
    (void)buf_print(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    add_escaped(out, text);
    BUF_ADD(out, "</text>\n");
}

static void add_axes(struct buf *out, const struct plot_panel *panel, const struct span *x,
                     const struct span *y, double top)
{
    double ticks[TICKS_MOST];
    char text[64];
    size_t count = ticks_of(y, ticks);

    for (size_t i = 0; i < count; i++) {
        double at = top + PLOT_HEIGHT * (1 - part(y, ticks[i]));

        (void)buf_print(out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>\n", LEFT, at,
                        WIDTH - RIGHT);
        write_tick(text, sizeof(text), y->scale, ticks[i]);
        add_text(out, LEFT - 8, at + 4, "end", text);
    }
    count = ticks_of(x, ticks);
    for (size_t i = 0; i < count; i++) {
        double at = LEFT + PLOT_WIDTH * part(x, ticks[i]);

        (void)buf_print(out, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n", at, top,
                        top + PLOT_HEIGHT);
        write_tick(text, sizeof(text), x->scale, ticks[i]);
        add_text(out, at, top + PLOT_HEIGHT + 18, "middle", text);
    }
    add_text(out, LEFT + PLOT_WIDTH / 2, top + PLOT_HEIGHT + 36, "middle", panel->x.label);
    add_text(out, LEFT, top - 10, "start", panel->y.label);
    add_text(out, WIDTH - RIGHT, top - 10, "end title", panel->title);
}

static void add_panel(struct buf *out, const struct plot_panel *panel, double top)
{
    struct span x = span_of(panel, true), y = span_of(panel, false);

    add_axes(out, panel, &x, &y, top);
    BUF_ADD(out, "<path class=\"curve\" d=\"");
    for (size_t i = 0; i < panel->count; i++)
        (void)buf_print(out, "%c%.1f %.1f", i == 0 ? 'M' : 'L',
                        LEFT + PLOT_WIDTH * part(&x, panel->points[i].x),
                        top + PLOT_HEIGHT * (1 - part(&y, panel->points[i].y)));
    if (panel->count == 1) /* a dot is seen, too */
        BUF_ADD(out, "h0.1");
    BUF_ADD(out, "\"/>\n");
}

bool plot_write(struct buf *out, const char *title, const struct plot_panel *panels, size_t count)
{
    (void)buf_print(out,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                    "font-family=\"sans-serif\" font-size=\"12\">\n",
                    WIDTH, HEAD + PANEL * (double)count);
    BUF_ADD(out, "<style>text{fill:#777}.end{text-anchor:end}.middle{text-anchor:middle}"
                 ".title{font-weight:bold}.grid{stroke:#8884;fill:none}"
                 ".curve{stroke:#2a7de1;stroke-width:2;stroke-linecap:round;fill:none}</style>\n");
    add_text(out, LEFT, 24, "title", title);
    for (size_t i = 0; i < count; i++) {
        assert(panels[i].count > 0);
        add_panel(out, &panels[i], HEAD + PANEL * (double)i + TOP);
    }
    return BUF_ADD(out, "</svg>\n");
}
