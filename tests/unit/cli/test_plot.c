#include <stdio.h>

#include "cli/plot.h"
#include "tests/unit/unit.h"

static struct buf out;

static const char *draw(const struct plot_panel *panels, size_t count)
{
    bool written;

    buf_init(&out, 1 << 20);
    written = plot_write(&out, "a <title> & more", panels, count);
    ck_assert(written);
    (void)buf_add_byte(&out, 0);
    return (const char *)out.at;
}

static size_t times(const char *text, const char *what)
{
    size_t count = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

START_TEST(each_panel_is_drawn_within_the_picture)
{
    static const struct plot_point points[] = {{0, 1}, {1, 1000}, {2, 20}};
    const struct plot_panel panels[] = {
        {"one", {"x", PLOT_LINEAR}, {"y", PLOT_LINEAR}, points, 3},
        {"two", {"x", PLOT_LINEAR}, {"y", PLOT_LOGARITHMIC}, points, 3},
    };
    const char *svg = draw(panels, 2);
    const char *curve = strstr(svg, "class=\"curve\" d=\"M");
    double x, y;

    ck_assert(strncmp(svg, "<svg ", 5) == 0);
    ck_assert(strstr(svg, "a &lt;title&gt; &amp; more") != NULL);
    ck_assert_uint_eq(times(svg, "class=\"curve\""), 2);
    ck_assert(strstr(svg, ">1k<") != NULL);
    ck_assert_int_eq(sscanf(curve, "class=\"curve\" d=\"M%lf %lf", &x, &y), 2);
    ck_assert(x >= 0 && x <= 720);
    ck_assert(y >= 0 && y <= 640);
    ck_assert(strstr(svg, "nan") == NULL);
    ck_assert(strstr(svg, "inf") == NULL);
    buf_deinit(&out);
}
END_TEST

START_TEST(percentiles_have_a_tick_for_each_nine)
{
    static const struct plot_point points[] = {{0, 5}, {0.5, 6}, {0.9, 7}, {0.99, 8}, {0.999, 900}};
    const struct plot_panel panel = {
        "p", {"x", PLOT_PERCENTILE}, {"y", PLOT_LOGARITHMIC}, points, 5};
    const char *svg = draw(&panel, 1);

    ck_assert(strstr(svg, ">90p<") != NULL);
    ck_assert(strstr(svg, ">99p<") != NULL);
    ck_assert(strstr(svg, ">99.9p<") != NULL);
    buf_deinit(&out);
}
END_TEST

START_TEST(a_single_value_and_zeros_are_drawn_too)
{
    static const struct plot_point points[] = {{0, 0}};
    static const enum plot_scale scales[] = {PLOT_LINEAR, PLOT_LOGARITHMIC, PLOT_PERCENTILE};

    for (size_t i = 0; i < 9; i++) {
        const struct plot_panel panel = {
            "p", {"x", scales[i / 3]}, {"y", scales[i % 3]}, points, 1};
        const char *svg = draw(&panel, 1);

        ck_assert(strstr(svg, "nan") == NULL);
        ck_assert(strstr(svg, "inf") == NULL);
        ck_assert_uint_eq(times(svg, "class=\"curve\""), 1);
        buf_deinit(&out);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {each_panel_is_drawn_within_the_picture,
                            percentiles_have_a_tick_for_each_nine,
                            a_single_value_and_zeros_are_drawn_too};

    return UNIT_RUN_PLAIN("plot", tests);
}
