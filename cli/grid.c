#include "cli/grid.h"

#include "cli/plain.h"

#define NARROWEST 4u

void grid_init(struct grid *grid, struct cli *cli, const char *title, const char *const *heads,
               size_t columns)
{
    assert(columns > 0 && columns <= GRID_COLUMNS_MAX);
    *grid = (struct grid){.cli = cli, .title = title, .heads = heads, .columns = columns};
}

void grid_add(struct grid *grid, const char *const *cells)
{
    if (grid->rows == grid->room) {
        size_t room = grid->room == 0 ? 32 : grid->room * 2;
        const char **at = ARENA_ARRAY(&grid->cli->arena, const char *, room * grid->columns);

        assert(at != NULL);
        if (grid->rows > 0)
            memcpy(at, grid->cells, grid->rows * grid->columns * sizeof(*at));
        grid->cells = at;
        grid->room = room;
    }
    for (size_t i = 0; i < grid->columns; i++)
        grid->cells[grid->rows * grid->columns + i] = cells[i] != NULL ? cells[i] : "";
    grid->rows++;
}

/* Code points; every one takes a place (wide ones are rare in names). */
static size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text != 0; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* How many columns are shown: on a narrow terminal the last ones are left out. */
static size_t shown(const struct grid *grid)
{
    size_t count = grid->columns;

    while (grid->cli->width > 0 && count > 1 && count * (NARROWEST + 3) + 1 > grid->cli->width)
        count--;
    return count;
}

static size_t total(const struct grid *grid, const size_t *widths)
{
    size_t count = shown(grid), sum = count * 3 + 1;

    for (size_t i = 0; i < count; i++)
        sum += widths[i];
    return sum;
}

static void measure(const struct grid *grid, size_t *widths)
{
    size_t count = shown(grid);

    for (size_t i = 0; i < count; i++) {
        widths[i] = text_width(grid->heads[i]);
        for (size_t row = 0; row < grid->rows; row++) {
            size_t width = text_width(grid->cells[row * grid->columns + i]);

            if (width > widths[i])
                widths[i] = width;
        }
    }
    while (grid->cli->width > 0 && total(grid, widths) > grid->cli->width) {
        size_t widest = 0;

        for (size_t i = 1; i < count; i++)
            if (widths[i] > widths[widest])
                widest = i;
        if (widths[widest] <= NARROWEST)
            break;
        widths[widest]--;
    }
    /* The title must fit as well. */
    if (grid->cli->width == 0)
        while (text_width(grid->title) + 4 > total(grid, widths))
            widths[count - 1]++;
}

void grid_cell(const char *text, size_t width, bool right)
{
    size_t size = text_width(text), part = size;
    const char *end = text;

    if (size > width)
        part = width - 1;
    if (right && size < width)
        printf("%*s", (int)(width - size), "");
    for (size_t i = 0; i < part; i++)
        do
            end++;
        while (((unsigned char)*end & 0xc0) == 0x80);
    (void)fwrite(text, 1, (size_t)(end - text), stdout);
    if (size > width)
        fputs("…", stdout);
    else if (!right)
        printf("%*s", (int)(width - size), "");
}

static void say_line(const struct grid *grid, const size_t *widths, const char *left,
                     const char *cross, const char *right)
{
    size_t count = shown(grid);

    fputs(left, stdout);
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < widths[i] + 2; n++)
            fputs("─", stdout);
        fputs(i + 1 < count ? cross : right, stdout);
    }
    putchar('\n');
}

static void say_title(const struct grid *grid, const size_t *widths)
{
    size_t room = total(grid, widths) - 4, width = text_width(grid->title);
    size_t left = width < room ? (room - width) / 2 : 0;
    bool bold = grid->cli->colors;

    printf("│ %*s%s", (int)left, "", bold ? "\033[1m" : "");
    grid_cell(plain_text(grid->cli, grid->title), room - left, false);
    printf("%s │\n", bold ? "\033[0m" : "");
}

static void say_row(const struct grid *grid, const size_t *widths, const char *const *cells,
                    bool bold)
{
    for (size_t i = 0; i < shown(grid); i++) {
        printf("│ %s", bold ? "\033[1m" : "");
        grid_cell(plain_text(grid->cli, cells[i]), widths[i], (grid->right >> i & 1) != 0 && !bold);
        printf("%s ", bold ? "\033[0m" : "");
    }
    puts("│");
}

void grid_show(const struct grid *grid)
{
    size_t widths[GRID_COLUMNS_MAX];

    measure(grid, widths);
    say_line(grid, widths, "╭", "─", "╮");
    say_title(grid, widths);
    say_line(grid, widths, "├", "┬", "┤");
    say_row(grid, widths, grid->heads, grid->cli->colors);
    say_line(grid, widths, "├", "┼", "┤");
    for (size_t i = 0; i < grid->rows; i++)
        say_row(grid, widths, &grid->cells[i * grid->columns], false);
    say_line(grid, widths, "╰", "┴", "╯");
}
