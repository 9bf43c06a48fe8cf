#include "server/auth/jwt_file.h"

#define DASHES BYTES("---")

static struct bytes without_line_end(struct bytes text)
{
    while (text.size > 0 && (text.at[text.size - 1] == '\n' || text.at[text.size - 1] == '\r'))
        text.size--;
    return text;
}

/* The next line without its end; what is left of the text stands behind it. */
static struct bytes take_line(struct bytes *text)
{
    size_t end = bytes_find(*text, '\n');
    struct bytes line = bytes_take(*text, end);

    *text = bytes_skip(*text, end < text->size ? end + 1 : end);
    return without_line_end(line);
}

static bool ends_in_dashes(struct bytes line)
{
    return line.size >= DASHES.size &&
           bytes_starts(bytes_skip(line, line.size - DASHES.size), DASHES);
}

/* Dashes, words, dashes. Other text may stand before a line that opens. */
static bool closes(struct bytes line)
{
    return line.size >= 2 * DASHES.size && bytes_starts(line, DASHES) && ends_in_dashes(line);
}

static bool opens(struct bytes line)
{
    while (line.size >= 2 * DASHES.size && !bytes_starts(line, DASHES))
        line = bytes_skip(line, 1);
    return closes(line);
}

struct bytes jwt_file_token(struct bytes text)
{
    struct bytes rest = text;
    struct bytes before = take_line(&rest), line = take_line(&rest);

    while (rest.size > 0) {
        struct bytes behind = take_line(&rest);

        if (opens(before) && line.size > 0 && closes(behind))
            return line;
        before = line;
        line = behind;
    }
    return without_line_end(text);
}
