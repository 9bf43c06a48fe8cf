#include "cli/bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH       30
#define NARROWEST   5
#define AROUND      11 /* "100% [", "] ", and what stays empty at the end of the line */
#define EACH_NS     INT64_C(100000000)
#define PATIENCE_NS INT64_C(500000000) /* what is over sooner needs no bar */

void bar_begin(struct bar *bar, struct cli *cli, uint64_t total)
{
    *bar = (struct bar){.cli = cli,
                        .shown = isatty(STDERR_FILENO) == 1 && !cli->json,
                        .total = total,
                        .begun = conn_now(),
                        .drawn = conn_now() + PATIENCE_NS};
}

static int columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* On one line of the terminal: where it has no room the bar gives way, and the rate with it. */
static void draw(const struct bar *bar, int64_t now)
{
    double seconds = (double)(now - bar->begun) / 1e9;
    double part = bar->total == 0 ? 1 : (double)bar->done / (double)bar->total;
    char rate[48];
    int room = columns() - AROUND -
               snprintf(rate, sizeof(rate), "%.1f MiB/s", (double)bar->done / 1048576 / seconds);
    int width = room < WIDTH ? room : WIDTH, filled = (int)(part * width);

    if (width < NARROWEST) {
        fprintf(stderr, "\r%3d%%", (int)(part * 100));
        return;
    }
    fprintf(stderr, "\r%3d%% [%.*s%*s] %s ", (int)(part * 100), filled,
            "==============================", width - filled, "", rate);
}

void bar_add(struct bar *bar, uint64_t bytes)
{
    int64_t now;

    bar->done += bytes;
    if (!bar->shown || bar->done > bar->total)
        return;
    now = conn_now();
    if (now < bar->drawn + EACH_NS)
        return;
    bar->drawn = now;
    draw(bar, now);
}

void bar_end(struct bar *bar)
{
    if (bar->shown && bar->drawn > bar->begun + PATIENCE_NS)
        fputs("\r\033[K", stderr);
    bar->shown = false;
}
