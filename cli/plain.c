#include "cli/plain.h"

static bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* U+0080 to U+009F as UTF-8: C2 80 to C2 9F. */
static bool is_wide_control(const unsigned char *at, size_t size)
{
    return size >= 2 && at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f;
}

void plain_make(char *text, size_t size)
{
    unsigned char *at = (unsigned char *)text;

    for (size_t i = 0; i < size; i++) {
        if (is_wide_control(at + i, size - i))
            at[i] = at[i + 1] = '?';
        else if (is_control(at[i]))
            at[i] = '?';
    }
}

static bool is_plain(const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        const unsigned char *at = (const unsigned char *)text + i;

        if (is_control(*at) || is_wide_control(at, size - i))
            return false;
    }
    return true;
}

const char *plain_text(struct cli *cli, const char *text)
{
    char *copy;

    if (is_plain(text))
        return text;
    copy = (char *)(uintptr_t)cli_text(cli, bytes_of_text(text));
    plain_make(copy, strlen(copy));
    return copy;
}
