#include "server/auth/base64.h"

/* The character behind the last. */
static char *write(char *out, struct bytes b, const char alphabet[static 64])
{
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < b.size; i++) {
        bits = bits << 8 | b.at[i];
        for (have += 8; have >= 6; have -= 6)
            *out++ = alphabet[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *out++ = alphabet[bits << (6 - have) & 63];
    return out;
}

void base64_write_url(char *out, struct bytes b)
{
    *write(out, b, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") = 0;
}

void base64_write(char *out, struct bytes b)
{
    char *end = write(out, b, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    for (size_t used = b.size % 3; used != 0 && used < 3; used++)
        *end++ = '=';
    *end = 0;
}

static int digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    if (byte == '-' || byte == '+')
        return 62;
    return byte == '_' || byte == '/' ? 63 : -1;
}

bool base64_read(struct bytes text, uint8_t *out, size_t size)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t made = 0;

    while (text.size > 0 && text.at[text.size - 1] == '=')
        text.size--;
    if (text.size != (size * 4 + 2) / 3)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        int value = digit(text.at[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[made++] = (uint8_t)(bits >> have);
        }
    }
    assert(made == size);
    return true;
}
