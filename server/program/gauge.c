#include "server/program/gauge.h"

#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WIDTH    30
#define EACH_NS  INT64_C(100000000)
#define FIRST_NS INT64_C(500000000) /* what is over sooner needs none */
#define MIB      (1024.0 * 1024.0)

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* is always there */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t bytes_below(const char *dir)
{
    char *paths[] = {(char *)(uintptr_t)dir, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;
    FTSENT *entry;

    while (tree != NULL && (entry = fts_read(tree)) != NULL)
        if (entry->fts_info == FTS_F && strstr(entry->fts_path, "/logs/") != NULL)
            bytes += (uint64_t)entry->fts_statp->st_size;
    if (tree != NULL)
        (void)fts_close(tree);
    return bytes;
}

void gauge_begin(struct gauge *gauge, const char *dir)
{
    *gauge = (struct gauge){.dir = dir, .begun = now_ns()};
    gauge->shown = isatty(STDERR_FILENO) == 1;
    gauge->due = gauge->begun + FIRST_NS;
    if (gauge->shown)
        gauge->total = bytes_below(dir);
}

static void draw(struct gauge *gauge, uint64_t position, int64_t now)
{
    uint64_t done = gauge->done + position;
    double part = gauge->total > 0 ? (double)done / (double)gauge->total : 0;
    int filled = (int)((part < 1 ? part : 1) * WIDTH);

    fprintf(stderr, "\r%3d%% [%.*s%*s] %.1f MiB/s ", (int)(part * 100), filled,
            "==============================", WIDTH - filled, "",
            (double)done / MIB / ((double)(now - gauge->begun) / 1e9));
    gauge->drawn = true;
}

static void next_file(struct gauge *gauge, const char *path)
{
    char whole[4096];
    struct stat stat_of;

    gauge->done += gauge->size;
    snprintf(gauge->path, sizeof gauge->path, "%s", path);
    snprintf(whole, sizeof whole, "%s/%s", gauge->dir, path);
    gauge->size = stat(whole, &stat_of) == 0 ? (uint64_t)stat_of.st_size : 0;
}

void gauge_at(struct gauge *gauge, const char *path, uint64_t position)
{
    int64_t now;

    if (!gauge->shown)
        return;
    if (strcmp(path, gauge->path) != 0)
        next_file(gauge, path);
    now = now_ns();
    if (now < gauge->due)
        return;
    gauge->due = now + EACH_NS;
    draw(gauge, position, now);
}

void gauge_clear(struct gauge *gauge)
{
    if (gauge->drawn)
        fputs("\r\033[K", stderr);
    gauge->drawn = false;
}
