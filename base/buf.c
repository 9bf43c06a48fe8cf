#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"

#define CAPACITY_FIRST 256u
#define DECIMAL_MAX    20u /* digits of UINT64_MAX */
#define PRINT_SHORT    512u

static void check(const struct buf *buf)
{
    assert(buf->size <= buf->capacity);
    assert(buf->capacity <= buf->limit);
}

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){.limit = limit};
}

void buf_deinit(struct buf *buf)
{
    buf_release(buf);
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
}

void buf_release(struct buf *buf)
{
    heap_give(buf->at);
    buf->at = NULL;
    buf->size = 0;
    buf->capacity = 0;
}

static void grow(struct buf *buf, size_t need)
{
    size_t capacity = buf->capacity < CAPACITY_FIRST ? CAPACITY_FIRST : buf->capacity;

    while (capacity < need && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    if (capacity < need || capacity > buf->limit)
        capacity = buf->limit;
    buf->at = heap_resize(buf->at, capacity);
    buf->capacity = capacity;
}

uint8_t *buf_reserve(struct buf *buf, size_t size)
{
    check(buf);
    if (size > buf->limit - buf->size)
        return NULL;
    if (buf->at == NULL || size > buf->capacity - buf->size)
        grow(buf, buf->size + size);
    check(buf);
    return buf->at + buf->size;
}

void buf_commit(struct buf *buf, size_t size)
{
    assert(size <= buf->capacity - buf->size);
    buf->size += size;
}

bool buf_add(struct buf *buf, struct bytes b)
{
    uint8_t *at;

    /* Growing would move the memory from under `b`. */
    assert(b.size == 0 || (uintptr_t)b.at + b.size <= (uintptr_t)buf->at ||
           (uintptr_t)b.at >= (uintptr_t)buf->at + buf->capacity);
    at = buf_reserve(buf, b.size);
    if (at == NULL)
        return false;
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    buf_commit(buf, b.size);
    return true;
}

bool buf_add_byte(struct buf *buf, uint8_t byte)
{
    return buf_add(buf, bytes_of(&byte, 1));
}

static bool add_decimal(struct buf *buf, bool negative, uint64_t value)
{
    char text[DECIMAL_MAX + 1];
    size_t at = sizeof(text);

    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (negative)
        text[--at] = '-';
    return buf_add(buf, bytes_of(text + at, sizeof(text) - at));
}

bool buf_add_u64(struct buf *buf, uint64_t value)
{
    return add_decimal(buf, false, value);
}

bool buf_add_i64(struct buf *buf, int64_t value)
{
    /* Negating as unsigned is right for INT64_MIN too. */
    return add_decimal(buf, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static bool print_long(struct buf *buf, size_t size, const char *format, va_list arguments)
{
    char *text;
    bool added;

    if (size > buf->limit - buf->size)
        return false;
    text = heap_take(size + 1);
    vsnprintf(text, size + 1, format, arguments);
    added = buf_add(buf, bytes_of(text, size));
    heap_give(text);
    return added;
}

/* By way of other memory, since vsnprintf wants room for a zero that the limit may not leave. */
bool buf_print(struct buf *buf, const char *format, ...)
{
    char text[PRINT_SHORT];
    va_list arguments, again;
    bool added;
    int size;

    va_start(arguments, format);
    va_copy(again, arguments);
    size = vsnprintf(text, sizeof(text), format, arguments);
    assert(size >= 0);
    if ((size_t)size < sizeof(text))
        added = buf_add(buf, bytes_of(text, (size_t)size));
    else
        added = print_long(buf, (size_t)size, format, again);
    va_end(again);
    va_end(arguments);
    return added;
}

void buf_consume(struct buf *buf, size_t count)
{
    assert(count <= buf->size);
    if (count == 0)
        return;
    buf->size -= count;
    memmove(buf->at, buf->at + count, buf->size);
}
