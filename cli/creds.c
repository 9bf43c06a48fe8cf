#include "cli/creds.h"

#include "server/auth/nkey.h"

static_assert(CRYPTO_SEED_SIZE == NKEY_SIZE, "a seed is a key's size");

/* The next line without the blanks around it; false: there is none. */
static bool take_line(struct bytes *text, struct bytes *line)
{
    size_t end;

    if (text->size == 0)
        return false;
    end = bytes_find(*text, '\n');
    *line = bytes_trim(bytes_take(*text, end));
    *text = bytes_skip(*text, end < text->size ? end + 1 : end);
    return true;
}

bool creds_read_seed(struct bytes text, struct creds *creds)
{
    enum nkey_kind kind;
    struct bytes line;

    *creds = (struct creds){0};
    while (take_line(&text, &line))
        if (nkey_seed_read_any(line, &kind, creds->seed))
            return true;
    return false;
}

bool creds_read(struct bytes text, struct creds *creds)
{
    struct bytes rest = text, line, jwt = {0};

    if (!creds_read_seed(text, creds))
        return false;
    while (jwt.size == 0 && take_line(&rest, &line))
        if (bytes_starts(line, BYTES("ey")) && bytes_find(line, '.') < line.size)
            jwt = line;
    creds->jwt = jwt;
    return jwt.size > 0;
}
