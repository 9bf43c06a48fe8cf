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
    size_t count = 1;

    for (; value >= 10000; value /= 10000)
        count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

static char *add_number(char *at, uint64_t value)
{
    char *end = at + digits(value);
    char *digit = end;

    do {
        *--digit = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
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
