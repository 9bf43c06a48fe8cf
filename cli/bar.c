#include "cli/bar.h"

#include <unistd.h>

#define WIDTH       30
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

static void draw(const struct bar *bar, int64_t now)
{
    double seconds = (double)(now - bar->begun) / 1e9;
    double part = bar->total == 0 ? 1 : (double)bar->done / (double)bar->total;
    int filled = (int)(part * WIDTH);

    fprintf(stderr, "\r%3d%% [%.*s%*s] %.1f MiB/s ", (int)(part * 100), filled,
            "==============================", WIDTH - filled, "",
            (double)bar->done / 1048576 / seconds);
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
