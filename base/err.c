#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

const char *err_text(enum err err)
{
#define ERR_TEXT(name, text) [name] = text,
    static const char *const texts[] = {ERR_TABLE(ERR_TEXT)};
#undef ERR_TEXT

    assert((size_t)err < sizeof(texts) / sizeof(texts[0]));
    return texts[err];
}

enum err err_of_errno(int errnum)
{
    static const struct {
        int errnum;
        enum err err;
    } rows[] = {
        {EAGAIN, ERR_AGAIN},
        {EINTR, ERR_AGAIN},
        {EINPROGRESS, ERR_AGAIN},
        {EMFILE, ERR_FULL},
        {ENFILE, ERR_FULL},
        {ENOSPC, ERR_NO_SPACE},
        {EDQUOT, ERR_NO_SPACE},
        {ENOMEM, ERR_NO_MEMORY},
        {EINVAL, ERR_INVALID},
        {ENAMETOOLONG, ERR_INVALID},
        {EADDRNOTAVAIL, ERR_INVALID},
        {ENOENT, ERR_NOT_FOUND},
        {EEXIST, ERR_EXISTS},
        {EBUSY, ERR_BUSY},
        {EADDRINUSE, ERR_BUSY},
        {EACCES, ERR_ACCESS},
        {EPERM, ERR_ACCESS},
        {EROFS, ERR_ACCESS},
        {EOPNOTSUPP, ERR_UNSUPPORTED},
        {ENOSYS, ERR_UNSUPPORTED},
        {ECONNRESET, ERR_CLOSED},
        {ECONNABORTED, ERR_CLOSED},
        {EPIPE, ERR_CLOSED},
        {ENOTCONN, ERR_CLOSED},
    };

    assert(errnum > 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].errnum == errnum)
            return rows[i].err;
    }
    return ERR_IO;
}
