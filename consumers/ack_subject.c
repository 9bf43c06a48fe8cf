#include "consumers/ack_subject.h"

#include "base/eight.h"

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

/* ---- digits: a large part of what a delivery costs, so eight are made at once --------------- */

#define EIGHT UINT64_C(100000000)

static char *add_digits(char *at, uint64_t digits, size_t leading)
{
    uint64_t text = (digits >> 8 * leading) | EIGHT_OF('0');

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
    if (value < 10) {
        *at = (char)('0' + value);
        return at + 1;
    }
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

/* ---- of deliveries in a row ------------------------------------------------------------------ */

static void set_number(struct ack_number *number, uint64_t value)
{
    uint64_t above = value / EIGHT;

    if (above != number->above) {
        number->above = above;
        number->size = (size_t)(add_number(number->text, above) - number->text);
    }
    number->value = value;
    number->digits = eight_digits(value % EIGHT);
}

/* One more or less changes the last digit alone, unless something is carried. */
static inline void turn_number(struct ack_number *number, uint64_t value)
{
    uint64_t last = number->digits >> 56;

    if (value != 0 && value - 1 == number->value && last < 9) {
        number->digits += UINT64_C(1) << 56;
        number->value = value;
    } else if (value + 1 == number->value && last > 0) {
        number->digits -= UINT64_C(1) << 56;
        number->value = value;
    } else {
        set_number(number, value);
    }
}

static inline char *next_number(char *at, struct ack_number *number, uint64_t value)
{
    size_t leading = 0;

    turn_number(number, value);
    if (number->above != 0) {
        memcpy(at, number->text, sizeof number->text);
        at += number->size;
    } else {
        leading = (size_t)__builtin_ctzll(number->digits | UINT64_C(1) << 56) / 8;
    }
    return add_digits(at, number->digits, leading);
}

void ack_series_begin(struct ack_series *series, struct bytes prefix)
{
    assert(prefix.size <= ACK_SUBJECT_PREFIX_MAX);
    series->sequence = series->consumer_sequence = (struct ack_number){0};
    series->time = series->pending = (struct ack_number){0};
    series->prefix_size = prefix.size;
    memcpy(series->text, prefix.at, prefix.size);
}

struct bytes ack_series_next(struct ack_series *series, const struct ack_subject *ack)
{
    char *at = series->text + series->prefix_size;

    at = add_number(at, ack->deliveries);
    *at++ = '.';
    at = next_number(at, &series->sequence, ack->sequence);
    *at++ = '.';
    at = next_number(at, &series->consumer_sequence, ack->consumer_sequence);
    *at++ = '.';
    if (ack->time_ns < 0)
        *at++ = '-';
    at = next_number(at, &series->time, magnitude(ack->time_ns));
    *at++ = '.';
    at = next_number(at, &series->pending, ack->pending);
    return bytes_of(series->text, (size_t)(at - series->text));
}

/* ---- reading --------------------------------------------------------------------------------- */

static uint64_t read_number(struct bytes token)
{
    uint64_t value;

    return bytes_read_u64(token, &value) ? value : 0;
}

/* The digits that begin `text`, at most 19: how many, and their number. */
static size_t read_digits(struct bytes text, uint64_t *value)
{
    static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, EIGHT};
    size_t at = 0;

    for (*value = 0; text.size - at >= 8 && at <= 8;) {
        uint64_t word = eight_load(text.at + at), others = eight_others(word);
        unsigned count = others == 0 ? 8 : eight_first(others);

        if (count == 0)
            return at;
        *value = *value * powers[count] + eight_number(word, count);
        at += count;
        if (count < 8)
            return at;
    }
    for (; at < text.size && at < 19 && text.at[at] >= '0' && text.at[at] <= '9'; at++)
        *value = *value * 10 + (uint64_t)(text.at[at] - '0');
    return at;
}

/* Five numbers of at most 19 digits, and nothing else: what we wrote. */
static bool read_own(struct bytes text, uint64_t numbers[static 5])
{
    for (size_t i = 0; i < 5; i++) {
        size_t size = read_digits(text, &numbers[i]);

        if (size == 0)
            return false;
        text = bytes_skip(text, size);
        if (i == 4)
            return text.size == 0;
        if (text.size == 0 || text.at[0] != '.')
            return false;
        text = bytes_skip(text, 1);
    }
    return false;
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
