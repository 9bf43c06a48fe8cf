#include "server/monitor/http_path.h"

/* Takes the next word off the path; without one, nothing is left of the path. */
static bool word_next(struct bytes *path, struct bytes *word)
{
    while (path->size > 0 && path->at[0] == '/')
        *path = bytes_skip(*path, 1);
    *word = bytes_take(*path, bytes_find(*path, '/'));
    *path = bytes_skip(*path, word->size);
    return word->size > 0;
}

/* Back to before the last slash behind `begin`. */
static void word_drop(struct buf *out, size_t begin)
{
    while (out->size > begin && out->at[--out->size] != '/') {
    }
}

bool http_path_clean(struct bytes path, struct buf *out)
{
    bool open = path.size > 0 && path.at[path.size - 1] == '/';
    size_t begin = out->size;
    struct bytes word;

    while (word_next(&path, &word)) {
        if (bytes_equal(word, BYTES(".")))
            continue;
        if (bytes_equal(word, BYTES("..")))
            word_drop(out, begin);
        else if (!BUF_ADD(out, "/") || !buf_add(out, word))
            return false;
    }
    return (!open && out->size > begin) || BUF_ADD(out, "/");
}
