/*
 * top: what a live view shows: tables of streams, consumers and connections, looked at again and
 * again. With the system account they are those of all servers and accounts, else of this account.
 *
 * A column is a text, a figure, or the rate of a counter between two looks.
 */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include "cli/cli.h"

#define TOP_ROWS_MAX 5000u
#define TOP_TEXTS    3u
#define TOP_FIGURES  5u
#define TOP_COUNTERS 2u

enum top_kind { TOP_TEXT, TOP_COUNT, TOP_SIZE, TOP_RATE, TOP_SIZE_RATE };

struct top_column {
    const char *title;
    const char *key; /* with --json */
    enum top_kind kind;
    unsigned index; /* of the row's texts, figures or counters */
    unsigned width; /* of the first column: the least */
};

enum top_view { TOP_STREAMS, TOP_CONSUMERS, TOP_CONNECTIONS };
#define TOP_VIEWS 3u

struct top_table {
    const char *name;
    const struct top_column *columns;
    size_t count;
    size_t order; /* the column by which it is sorted at first */
};
extern const struct top_table top_tables[TOP_VIEWS];

struct top_row {
    const char *key; /* the same row of another look */
    const char *text[TOP_TEXTS];
    uint64_t figure[TOP_FIGURES];
    uint64_t counter[TOP_COUNTERS];
    double rate[TOP_COUNTERS];
};

/* What was seen at one time; in memory of its own. */
struct top_look {
    struct arena memory;
    int64_t time;
    struct top_row *rows; /* by key */
    size_t count;
    bool cut; /* there were more than TOP_ROWS_MAX */
};

/* Which servers answer by the system account; 0: this is another one. EXIT_DONE, or said. */
int top_servers(struct cli *cli, size_t *servers);
/* A look, with rates against `before` (whose time is 0 at first), in the memory of `look`, which
 * is emptied. EXIT_DONE, or said. */
int top_take(struct cli *cli, enum top_view view, size_t servers, const struct top_look *before,
             struct top_look *look);

/* Rows in the order of a column, figures from the largest on, unless `reversed`. */
void top_sort(const struct top_table *table, const struct top_look *look, size_t order,
              bool reversed, const struct top_row **sorted);

#endif
