/*
 * err: the outcomes a call can have because of the world (style: a bug is an assert, a client's
 * mistake is an answer). A failed call leaves its object as it was unless its header says
 * otherwise.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TABLE(X)                                                                               \
    X(OK, "ok")                                                                                    \
    X(ERR_AGAIN, "not now")                                                                        \
    X(ERR_FULL, "full")                                                                            \
    X(ERR_CORRUPT, "damaged")                                                                      \
    X(ERR_IO, "input/output error")                                                                \
    X(ERR_NO_SPACE, "no space left")                                                               \
    X(ERR_NO_MEMORY, "out of memory")                                                              \
    X(ERR_INVALID, "invalid")                                                                      \
    X(ERR_NOT_FOUND, "not found")                                                                  \
    X(ERR_EXISTS, "exists already")                                                                \
    X(ERR_BUSY, "in use")                                                                          \
    X(ERR_VERSION, "unknown format version")                                                       \
    X(ERR_ACCESS, "permission denied")                                                             \
    X(ERR_UNSUPPORTED, "not supported")                                                            \
    X(ERR_CLOSED, "closed")

#define ERR_NAME(name, text) name,
enum [[nodiscard]] err{ERR_TABLE(ERR_NAME)};
#undef ERR_NAME

/* A short lower-case text, never NULL. */
const char *err_text(enum err err);

/* Maps a positive errno; anything without a row of its own is ERR_IO. */
enum err err_of_errno(int errnum);

#endif
