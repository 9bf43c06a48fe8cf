/* near: which known word a mistyped one was meant to be. */
#ifndef CLI_NEAR_H
#define CLI_NEAR_H

#include <stdbool.h>
#include <stddef.h>

/* Insertions, removals, changes and swaps of neighbours between two words; words longer than
 * NEAR_WORD_MAX are as far apart as can be. */
#define NEAR_WORD_MAX 40u
size_t near_distance(const char *a, const char *b);

/* Remembers the nearest of the words that it is offered. */
struct near {
    const char *word;
    const char *best; /* NULL: none is near enough */
    size_t distance;
};

void near_init(struct near *near, const char *word);
void near_offer(struct near *near, const char *known);

#endif
