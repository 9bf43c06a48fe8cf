/* utf8: one code point at a time. Only what Unicode allows is valid: no overlong forms, no
 * surrogates, nothing past U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

#define UTF8_SIZE_MAX    4u
#define UTF8_REPLACEMENT 0xfffdu /* what stands for the invalid */

/* The code point that `b`, not empty, begins with; the result is its size, 0 if it is invalid. */
size_t utf8_read(struct bytes b, uint32_t *rune);

/* Writes one code point (<= U+10FFFF, asserted); the result is its size. */
size_t utf8_put(uint8_t out[static UTF8_SIZE_MAX], uint32_t rune);

#endif
