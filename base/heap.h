/*
 * heap: allocation that does not return NULL. What may be large is bounded before it is asked for
 * (base/limits.h); running out of memory for the small rest stops the process, which loses nothing
 * that was acknowledged.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>

#include "base/bytes.h"

[[gnu::malloc]] void *heap_take(size_t size); /* zeroed; size 0 gives a pointer to free */
void *heap_resize(void *at, size_t size);     /* what is new is not zeroed */
void heap_give(void *at);                     /* NULL is fine */
struct bytes heap_copy(struct bytes b);       /* owned by the caller: heap_give((void *)x.at) */
char *heap_text(struct bytes b);              /* a zero-terminated copy */

#define HEAP_NEW(type) ((type *)heap_take(sizeof(type)))

#endif
