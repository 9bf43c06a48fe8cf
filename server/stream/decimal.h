/*
 * decimal: whole numbers of any size as their decimal digits, which is how counters have them on
 * the wire and on the disk. Pure.
 */
#ifndef SERVER_STREAM_DECIMAL_H
#define SERVER_STREAM_DECIMAL_H

#include "base/buf.h"

/* Digits with an optional sign. */
bool decimal_valid(struct bytes number);
/* Appends a + b without leading zeros, and without a sign if it is not negative. Both are valid;
 * `out` takes as many digits as the longer one has, and two more. Costs the digits. */
void decimal_add(struct bytes a, struct bytes b, struct buf *out);
/* The same of a - b. */
void decimal_subtract(struct bytes a, struct bytes b, struct buf *out);

#endif
