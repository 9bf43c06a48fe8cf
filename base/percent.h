/* percent: text as URLs write it, "%41" for "A". Pure. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "base/bytes.h"

/*
 * Writes what `from` means to `to`, and a zero behind it. Room for from.size + 1 bytes is enough.
 * False: no two digits follow a '%', it means a zero byte, or there is no room.
 */
bool percent_decode(char *to, size_t room, struct bytes from);

#endif
