/*
 * verdict: what a check of a stream's or a consumer's config comes to, and the rules that both
 * kinds of config have in common.
 */
#ifndef SERVER_API_VERDICT_H
#define SERVER_API_VERDICT_H

#include "base/bytes.h"
#include "base/schema.h"

#define VERDICT_DESCRIPTION_MAX 4096u   /* bytes, as the next one */
#define VERDICT_METADATA_MAX    131072u /* of keys and values */

struct verdict {
    uint16_t error; /* 0: fine */
    char text[512]; /* description, empty: the constant one */
};

/* Both say false, so that a check can return what they say. */
[[gnu::format(printf, 3, 4)]] bool verdict_refuse(struct verdict *verdict, uint16_t error,
                                                  const char *format, ...);
/* With the constant text. */
bool verdict_refuse_plain(struct verdict *verdict, uint16_t error);

/* Name rules of streams and consumers: no blanks, '.', '*', '>', '\\', '/'. An empty one is clean.
 */
bool verdict_name_clean(struct bytes name);
/* Of keys and values, in bytes. */
size_t verdict_metadata_size(const struct schema_map *metadata);

#endif
