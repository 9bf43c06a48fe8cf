#include "server/backup/tar.h"

#include <stdio.h>

#define NANOS INT64_C(1000000000)

/* Where the fields stand, and how long they are. */
enum { NAME = 0, MODE = 100, UID = 108, GID = 116, SIZE = 124, TIME = 136, SUM = 148, TYPE = 156 };
enum { MAGIC = 257, USER = 265, GROUP = 297, PREFIX = 345 };
enum { NAME_SIZE = 100, NUMBER_SIZE = 8, LONG_SIZE = 12, PREFIX_SIZE = 155 };

static unsigned sum_of(const uint8_t *block)
{
    unsigned sum = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM && i < SUM + NUMBER_SIZE ? ' ' : block[i];
    return sum;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_octal(uint8_t *at, size_t size, uint64_t value)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%0*llo", (int)size - 1, (unsigned long long)value);

    assert(length == (int)size - 1); /* 8 GiB: no entry of ours is that large */
    memcpy(at, text, (size_t)length);
}

static bool add_block(struct buf *out, struct bytes name, uint64_t size, int64_t time_ns, char type)
{
    uint8_t block[TAR_BLOCK] = {0};
    char sum[8];

    memcpy(block + NAME, name.at, name.size < NAME_SIZE ? name.size : NAME_SIZE);
    put_octal(block + MODE, NUMBER_SIZE, 0600);
    put_octal(block + UID, NUMBER_SIZE, 0);
    put_octal(block + GID, NUMBER_SIZE, 0);
    put_octal(block + SIZE, LONG_SIZE, size);
    put_octal(block + TIME, LONG_SIZE, time_ns > 0 ? (uint64_t)(time_ns / NANOS) : 0);
    block[TYPE] = (uint8_t)type;
    memcpy(block + MAGIC, "ustar\00000", 8);
    memcpy(block + USER, "nats", 4);
    memcpy(block + GROUP, "nats", 4);
    snprintf(sum, sizeof sum, "%06o", sum_of(block));
    memcpy(block + SUM, sum, 7);
    block[SUM + 7] = ' ';
    return buf_add(out, bytes_of(block, sizeof block));
}

/* A record of a PAX header tells its own length, its digits included. */
static size_t pax_record(char *text, size_t room, struct bytes name)
{
    size_t fixed = sizeof " path=\n" - 1 + name.size, size = fixed + 1;

    while (size != fixed + (size_t)snprintf(NULL, 0, "%zu", size))
        size++;
    return (size_t)snprintf(text, room, "%zu path=%.*s\n", size, BYTES_ARG(name));
}

static bool add_pax(struct buf *out, struct bytes name, int64_t time_ns)
{
    char text[TAR_NAME_MAX + 32];
    size_t size = pax_record(text, sizeof text, name);

    return add_block(out, BYTES("PaxHeaders.0/path"), size, time_ns, 'x') &&
           buf_add(out, bytes_of(text, size)) && tar_add_padding(out, size);
}

bool tar_add_header(struct buf *out, struct bytes name, uint64_t size, int64_t time_ns)
{
    assert(name.size > 0 && name.size <= TAR_NAME_MAX);
    if (name.size > NAME_SIZE && !add_pax(out, name, time_ns))
        return false;
    return add_block(out, name, size, time_ns, '0');
}

static bool add_zeros(struct buf *out, size_t size)
{
    uint8_t *at = buf_reserve(out, size);

    if (at == NULL)
        return false;
    memset(at, 0, size);
    buf_commit(out, size);
    return true;
}

bool tar_add_padding(struct buf *out, uint64_t size)
{
    return add_zeros(out, (size_t)(tar_padded(size) - size));
}

bool tar_add_end(struct buf *out)
{
    return add_zeros(out, (size_t)2 * TAR_BLOCK);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Octal digits between blanks and zeros; or, with the high bit, a number in 255 bits. */
static bool read_number(const uint8_t *at, size_t size, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    if ((at[0] & 0x80) != 0) {
        for (i = 0; i < size; i++) {
            if (*value >> 55 != 0)
                return false;
            *value = *value << 8 | (i == 0 ? at[0] & 0x7fu : at[i]);
        }
        return true;
    }
    while (i < size && at[i] == ' ')
        i++;
    for (; i < size && at[i] >= '0' && at[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(at[i] - '0');
    for (; i < size; i++) {
        if (at[i] != ' ' && at[i] != 0)
            return false;
    }
    return true;
}

static void read_name(const uint8_t *block, struct tar_entry *entry)
{
    const char *name = (const char *)block + NAME, *prefix = (const char *)block + PREFIX;
    bool ustar = memcmp(block + MAGIC, "ustar", 6) == 0;

    if (ustar && prefix[0] != 0)
        snprintf(entry->name, sizeof entry->name, "%.*s/%.*s", PREFIX_SIZE, prefix, NAME_SIZE,
                 name);
    else
        snprintf(entry->name, sizeof entry->name, "%.*s", NAME_SIZE, name);
}

static bool is_zero(const uint8_t *block)
{
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (block[i] != 0)
            return false;
    }
    return true;
}

static enum tar_type type_of(const uint8_t *block)
{
    switch (block[TYPE]) {
    case 0:
    case '0': return TAR_FILE;
    case 'x': return TAR_PAX;
    case 'g': return TAR_GLOBAL;
    default: return TAR_BAD;
    }
}

enum tar_type tar_read_header(const uint8_t block[static TAR_BLOCK], const struct tar_entry *pax,
                              struct tar_entry *entry)
{
    uint64_t sum;
    enum tar_type type;

    *entry = (struct tar_entry){0};
    if (is_zero(block))
        return TAR_END;
    if (!read_number(block + SUM, NUMBER_SIZE, &sum) || sum != sum_of(block) ||
        !read_number(block + SIZE, LONG_SIZE, &entry->size))
        return TAR_BAD;
    type = type_of(block);
    read_name(block, entry);
    if (type != TAR_FILE)
        return type;
    if (pax->name[0] != 0)
        memcpy(entry->name, pax->name, sizeof entry->name);
    if (pax->size > 0)
        entry->size = pax->size;
    return TAR_FILE;
}

/* "<length> <key>=<value>\n" */
static bool take_record(struct bytes *rest, struct bytes *key, struct bytes *value)
{
    size_t blank = bytes_find(*rest, ' '), equal;
    struct bytes record;
    uint64_t size;

    if (blank > 10 || !bytes_read_u64(bytes_take(*rest, blank), &size) || size > rest->size ||
        size < blank + 3)
        return false;
    record = bytes_skip(bytes_take(*rest, (size_t)size), blank + 1);
    *rest = bytes_skip(*rest, (size_t)size);
    equal = bytes_find(record, '=');
    if (equal >= record.size - 1 || record.at[record.size - 1] != '\n')
        return false;
    *key = bytes_take(record, equal);
    *value = bytes_take(bytes_skip(record, equal + 1), record.size - equal - 2);
    return true;
}

bool tar_read_pax(struct bytes content, struct tar_entry *pax)
{
    struct bytes key, value;

    *pax = (struct tar_entry){0};
    while (content.size > 0) {
        if (!take_record(&content, &key, &value))
            return false;
        if (bytes_equal(key, BYTES("path"))) {
            if (value.size == 0 || value.size > TAR_NAME_MAX || bytes_find(value, 0) < value.size)
                return false;
            memcpy(pax->name, value.at, value.size);
            pax->name[value.size] = 0;
        } else if (bytes_equal(key, BYTES("size"))) {
            if (!bytes_read_u64(value, &pax->size))
                return false;
        }
    }
    return true;
}
