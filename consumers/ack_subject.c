#include "consumers/ack_subject.h"

#define PREFIX BYTES("$JS.ACK.")

#define TOKENS_V1 9u
#define TOKENS_V2 11u /* or more */

static char *add_bytes(char *at, struct bytes b)
{
    memcpy(at, b.at, b.size);
    return at + b.size;
}

size_t ack_subject_prefix(char out[static ACK_SUBJECT_PREFIX_MAX], struct bytes stream,
                          struct bytes consumer)
{
    char *at = out;

    if (stream.size > 255 || consumer.size > 255)
        return 0;
    at = add_bytes(at, PREFIX);
    at = add_bytes(at, stream);
    *at++ = '.';
    at = add_bytes(at, consumer);
    *at++ = '.';
    return (size_t)(at - out);
}

static size_t digits(uint64_t value)
{
    static const uint64_t powers[] = {
        0,
        10,
        100,
        1000,
        10000,
        100000,
        1000000,
        10000000,
        100000000,
        1000000000,
        10000000000,
        100000000000,
        1000000000000,
        10000000000000,
        100000000000000,
        1000000000000000,
        10000000000000000,
        100000000000000000,
        1000000000000000000,
        UINT64_C(10000000000000000000),
    };
    size_t bits = 64 - (size_t)__builtin_clzll(value | 1);
    size_t guess = bits * 1233 >> 12; /* its logarithm to the base 10, or one more */

    return guess + (value >= powers[guess]);
}

/* ---- digits: a large part of what a delivery costs, so eight are made at once -----------------
 */

#define EIGHT UINT64_C(100000000)

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first digit is the lowest byte");

/* The eight digits of a value below 10^8, the first one in the lowest byte: split into two halves,
 * then each of them into two, and again. */
static uint64_t eight_digits(uint64_t value)
{
    uint64_t halves = value / 10000 | value % 10000 << 32;
    uint64_t hundreds = halves * 10486 >> 20 & UINT64_C(0x0000007f0000007f);
    uint64_t pairs = hundreds | (halves - hundreds * 100) << 16;
    uint64_t tens = pairs * 103 >> 10 & UINT64_C(0x000f000f000f000f);

    return tens | (pairs - tens * 10) << 8;
}

static char *add_digits(char *at, uint64_t digits, size_t leading)
{
    uint64_t text = (digits >> 8 * leading) + UINT64_C(0x3030303030303030);

    memcpy(at, &text, sizeof text);
    return at + sizeof text - leading;
}

static char *add_eight(char *at, uint64_t value)
{
    return add_digits(at, eight_digits(value), 0);
}

/* Below 10^8, without zeros in front. */
static char *add_small(char *at, uint64_t value)
{
    uint64_t digits = eight_digits(value);
    size_t leading = (size_t)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8;

    return add_digits(at, digits, leading);
}

static char *add_number(char *at, uint64_t value)
{
    if (value < EIGHT)
        return add_small(at, value);
    if (value < EIGHT * EIGHT)
        return add_eight(add_small(at, value / EIGHT), value % EIGHT);
    at = add_small(at, value / (EIGHT * EIGHT));
    at = add_eight(at, value / EIGHT % EIGHT);
    return add_eight(at, value % EIGHT);
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

size_t ack_subject_write(char out[static ACK_SUBJECT_MAX], size_t prefix_size,
                         const struct ack_subject *ack)
{
    char *at = out + prefix_size;

    assert(prefix_size <= ACK_SUBJECT_PREFIX_MAX);
    at = add_number(at, ack->deliveries);
    *at++ = '.';
    at = add_number(at, ack->sequence);
    *at++ = '.';
    at = add_number(at, ack->consumer_sequence);
    *at++ = '.';
    if (ack->time_ns < 0)
        *at++ = '-';
    at = add_number(at, magnitude(ack->time_ns));
    *at++ = '.';
    at = add_number(at, ack->pending);
    return (size_t)(at - out);
}

size_t ack_subject_size(size_t prefix_size, const struct ack_subject *ack)
{
    return prefix_size + digits(ack->deliveries) + digits(ack->sequence) +
           digits(ack->consumer_sequence) + (ack->time_ns < 0) + digits(magnitude(ack->time_ns)) +
           digits(ack->pending) + 4;
}

static uint64_t read_number(struct bytes token)
{
    uint64_t value;

    return bytes_read_u64(token, &value) ? value : 0;
}

/* Five numbers of at most 19 digits, and nothing else: what we wrote. */
static bool read_own(struct bytes text, uint64_t numbers[static 5])
{
    const uint8_t *at = text.at, *end = text.at + text.size;

    for (size_t i = 0; i < 5; i++) {
        const uint8_t *from = at;
        uint64_t value = 0;

        for (; at < end && *at != '.'; at++) {
            if (*at < '0' || *at > '9')
                return false;
            value = value * 10 + (uint64_t)(*at - '0');
        }
        if (at == from || at - from > 19)
            return false;
        numbers[i] = value;
        if (i < 4 && at++ == end)
            return false;
    }
    return at == end;
}

bool ack_subject_read_own(struct bytes subject, struct bytes prefix, struct ack_subject *ack)
{
    uint64_t numbers[5];

    if (!bytes_starts(subject, prefix) || !read_own(bytes_skip(subject, prefix.size), numbers) ||
        numbers[3] > INT64_MAX)
        return ack_subject_read(subject, ack);
    *ack =
        (struct ack_subject){numbers[0], numbers[1], numbers[2], (int64_t)numbers[3], numbers[4]};
    return true;
}

bool ack_subject_read(struct bytes subject, struct ack_subject *ack)
{
    struct bytes tokens[TOKENS_V2];
    struct bytes rest = subject;
    struct bytes *numbers;
    size_t count = 0;

    if (!bytes_starts(subject, PREFIX))
        return false;
    for (bool more = true; more; count++) {
        size_t size = bytes_find(rest, '.');
        if (count < TOKENS_V2)
            tokens[count] = bytes_take(rest, size);
        more = size < rest.size;
        if (more)
            rest = bytes_skip(rest, size + 1);
    }
    if (count != TOKENS_V1 && count < TOKENS_V2)
        return false;

    numbers = tokens + (count == TOKENS_V1 ? 4 : 6);
    if (!bytes_read_u64(numbers[1], &ack->sequence))
        return false;
    ack->deliveries = read_number(numbers[0]);
    ack->consumer_sequence = read_number(numbers[2]);
    ack->time_ns = (int64_t)(read_number(numbers[3]) & INT64_MAX);
    ack->pending = read_number(numbers[4]);
    return true;
}
