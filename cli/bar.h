/* bar: progress on standard error while something large moves; nothing unless it is a terminal.
 */
#ifndef CLI_BAR_H
#define CLI_BAR_H

#include "cli/cli.h"

struct bar {
    struct cli *cli;
    bool shown;
    uint64_t total, done;
    int64_t begun, drawn;
};

void bar_begin(struct bar *bar, struct cli *cli, uint64_t total);
void bar_add(struct bar *bar, uint64_t bytes);
void bar_end(struct bar *bar); /* the bar goes away */

#endif
