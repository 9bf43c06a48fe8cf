/* words: what simulations find in the texts of answers, without the server's parsers. */
#ifndef TESTS_SIM_WORDS_H
#define TESTS_SIM_WORDS_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static inline bool says(struct bytes text, const char *word)
{
    return memmem(text.at, text.size, word, strlen(word)) != NULL;
}

/* What stands behind the first such key, to the end; empty: it is not there. */
static inline struct bytes behind(struct bytes text, const char *key)
{
    const uint8_t *at = memmem(text.at, text.size, key, strlen(key));

    return at == NULL ? bytes_of(NULL, 0) : bytes_skip(text, (size_t)(at - text.at) + strlen(key));
}

/* The number there, or 0. */
static inline uint64_t number_of(struct bytes text, const char *key)
{
    struct bytes number = behind(text, key);

    return number.size == 0 ? 0 : strtoull((const char *)number.at, NULL, 10);
}

#endif
