#include "cli/near.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t near_distance(const char *a, const char *b)
{
    size_t size_a = strlen(a), size_b = strlen(b);
    size_t row[3][NEAR_WORD_MAX + 1]; /* the last two rows and the one being made */

    if (size_a > NEAR_WORD_MAX || size_b > NEAR_WORD_MAX)
        return NEAR_WORD_MAX;
    for (size_t j = 0; j <= size_b; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= size_a; i++) {
        size_t *now = row[i % 3], *above = row[(i - 1) % 3], *second = row[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= size_b; j++) {
            now[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(now[j], least(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], second[j - 2] + 1);
        }
    }
    return row[size_a % 3][size_b];
}

void near_init(struct near *near, const char *word)
{
    *near = (struct near){.word = word, .distance = NEAR_WORD_MAX};
}

void near_offer(struct near *near, const char *known)
{
    size_t size = strlen(near->word);
    size_t distance = near_distance(near->word, known);
    /* A third of the word may be wrong; a beginning of three letters is a hint too. */
    bool close = distance <= (size + 2) / 3 && distance < strlen(known);

    if (!close && size >= 3 && strncmp(near->word, known, size) == 0) {
        close = true;
        distance = NEAR_WORD_MAX - 1;
    }
    if (close && distance < near->distance) {
        near->best = known;
        near->distance = distance;
    }
}
