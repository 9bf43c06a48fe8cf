/*
 * http_head: the head of an HTTP/1.1 message (RFC 9112 2 to 5): its first line, and headers up to
 * an empty line. Pure; what comes is hostile, and read strictly: what another reader could take for
 * something else is refused. A line ends with LF or CRLF. Nothing is copied, all results point into
 * the head; how large it may be is up to who collects it.
 */
#ifndef BASE_HTTP_HEAD_H
#define BASE_HTTP_HEAD_H

#include "base/bytes.h"

/* Of a request. */
struct http_head {
    struct bytes method;
    struct bytes path;    /* begins with '/', not unescaped */
    struct bytes query;   /* behind '?', may be empty */
    struct bytes headers; /* lines */
};

/* The size of a head, its empty line included; 0: it is not whole. */
size_t http_head_size(struct bytes received);
/* A whole head of a request. False: it is none of HTTP/1.x, or a header is malformed. */
bool http_head_read(struct bytes text, struct http_head *head);
/* The next value of this header at or behind `headers`, which moves on. */
bool http_head_next(struct bytes *headers, struct bytes name, struct bytes *value);

/* Is there a parameter of this name? Then *value is what it says, not unescaped. */
bool http_query(struct bytes query, struct bytes name, struct bytes *value);

/* ---- for those who read another head -------------------------------------------------------- */

/* Takes the first line off *rest, without its end. False: it has none. */
bool http_line_next(struct bytes *rest, struct bytes *line);
/* "Name: value". False: it is malformed; a line that continues the one before is, too. */
bool http_header_read(struct bytes line, struct bytes *name, struct bytes *value);

#endif
