/*
 * folders: the folder of a path and those that it lies in, made where they are not there. For
 * programs and what runs before a loop does: it blocks.
 */
#ifndef BASE_FOLDERS_H
#define BASE_FOLDERS_H

#include <stdbool.h>
#include <sys/types.h>

/* False with errno. What was there keeps its mode. */
bool folders_make(const char *path, mode_t mode);

#endif
