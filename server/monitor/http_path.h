/*
 * http_path: a path in its plain form, for those with empty words, `.` or `..`. Whoever gives a
 * tool an address that ends in a slash asks for `http://host:8222//varz`. Pure.
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
