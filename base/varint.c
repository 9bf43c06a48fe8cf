#include "base/varint.h"

bool varint_add(struct buf *out, uint64_t value)
{
    uint8_t *at = buf_reserve(out, VARINT_MAX);

    if (at == NULL)
        return false;
    buf_commit(out, (size_t)(varint_write(at, value) - at));
    return true;
}

bool varint_take(struct bytes *in, uint64_t *value)
{
    uint64_t taken = 0;

    for (unsigned i = 0; i < VARINT_MAX && i < in->size; i++) {
        uint8_t byte = in->at[i];

        if (i == VARINT_MAX - 1 && byte > 1)
            return false;
        taken |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *in = bytes_skip(*in, i + 1);
            *value = taken;
            return true;
        }
    }
    return false;
}
