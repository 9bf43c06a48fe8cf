/*
 * grid: a table of texts, fitted to the width of the terminal. Columns are as wide as their widest
 * cell; when that is too much, the widest columns give way and their cells end in an ellipsis; when
 * nothing could be read any more, the last columns are left out.
 * In a pipe nothing is cut. Frames are drawn with lines on a terminal and in a pipe alike, as the
 * `nats` command draws them.
 */
#ifndef CLI_GRID_H
#define CLI_GRID_H

#include "cli/cli.h"

#define GRID_COLUMNS_MAX 16u

struct grid {
    struct cli *cli;
    const char *title;
    size_t columns;
    const char *const *heads;
    uint32_t right; /* a bit per column: aligned to the right */
    const char **cells;
    size_t rows;
    size_t room; /* rows */
};

void grid_init(struct grid *grid, struct cli *cli, const char *title, const char *const *heads,
               size_t columns);
/* One row, `columns` texts that live as long as the run; NULL is empty. */
void grid_add(struct grid *grid, const char *const *cells);
void grid_show(const struct grid *grid);

/* One text in `width` places (at least one): filled up with spaces, or cut and ended by an
 * ellipsis. */
void grid_cell(const char *text, size_t width, bool right);

#endif
