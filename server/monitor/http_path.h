/*
 * http_path: which path another one is written out of the way for, as in `http://host:8222//varz`,
 * which people get who put a slash at the end of the address that they give to a tool. Pure.
 */
#ifndef SERVER_MONITOR_HTTP_PATH_H
#define SERVER_MONITOR_HTTP_PATH_H

#include "base/buf.h"

/*
 * Appends the path: of slashes that follow each other one is left, a word `.` is none, and `..`
 * takes the word before it away. A slash at the end stays. It begins with exactly one slash, so
 * nobody takes its first word for a host. False: `out` has no room.
 */
bool http_path_clean(struct bytes path, struct buf *out);

#endif
