#include "server/stream/decimal.h"

struct magnitude {
    struct bytes digits; /* without leading zeros; empty: zero */
    bool negative;
};

bool decimal_valid(struct bytes number)
{
    if (number.size > 0 && (number.at[0] == '+' || number.at[0] == '-'))
        number = bytes_skip(number, 1);
    for (size_t i = 0; i < number.size; i++) {
        if (number.at[i] < '0' || number.at[i] > '9')
            return false;
    }
    return number.size > 0;
}

static struct magnitude read(struct bytes number)
{
    struct magnitude magnitude = {.digits = number, .negative = number.at[0] == '-'};

    if (number.at[0] == '+' || number.at[0] == '-')
        magnitude.digits = bytes_skip(number, 1);
    while (magnitude.digits.size > 0 && magnitude.digits.at[0] == '0')
        magnitude.digits = bytes_skip(magnitude.digits, 1);
    return magnitude;
}

static bool less(struct bytes a, struct bytes b)
{
    if (a.size != b.size)
        return a.size < b.size;
    return a.size > 0 && memcmp(a.at, b.at, a.size) < 0;
}

/* The digit that stands for 10^place. */
static int digit(struct bytes digits, size_t place)
{
    return place < digits.size ? digits.at[digits.size - 1 - place] - '0' : 0;
}

/* large + small, or large - small; `large` is not the smaller one. Digits come from the right, so
 * they are written backwards and turned round. */
static void combine(struct bytes large, struct bytes small, bool subtract, struct buf *out)
{
    size_t start = out->size;
    int carry = 0;

    for (size_t place = 0; place < large.size || carry != 0; place++) {
        int sum =
            digit(large, place) + carry + (subtract ? -digit(small, place) : digit(small, place));

        carry = sum < 0 ? -1 : sum / 10;
        (void)buf_add_byte(out, (uint8_t)('0' + (sum + 10) % 10));
    }
    while (out->size > start && out->at[out->size - 1] == '0')
        out->size--;
    if (out->size == start)
        (void)buf_add_byte(out, '0');
    for (size_t i = start, k = out->size - 1; i < k; i++, k--) {
        uint8_t byte = out->at[i];

        out->at[i] = out->at[k];
        out->at[k] = byte;
    }
}

static void add(struct magnitude left, struct magnitude right, struct buf *out)
{
    bool swap = less(left.digits, right.digits);
    struct magnitude large = swap ? right : left, small = swap ? left : right;

    if (large.negative && (large.negative == small.negative || less(small.digits, large.digits)))
        (void)buf_add_byte(out, '-');
    combine(large.digits, small.digits, large.negative != small.negative, out);
    if (out->size >= 2 && out->at[out->size - 2] == '-' && out->at[out->size - 1] == '0') {
        out->size -= 2; /* zeros have a sign only when they come in */
        (void)buf_add_byte(out, '0');
    }
}

void decimal_add(struct bytes a, struct bytes b, struct buf *out)
{
    assert(decimal_valid(a) && decimal_valid(b));
    add(read(a), read(b), out);
}

void decimal_subtract(struct bytes a, struct bytes b, struct buf *out)
{
    struct magnitude right = read(b);

    assert(decimal_valid(a) && decimal_valid(b));
    right.negative = !right.negative;
    add(read(a), right, out);
}
