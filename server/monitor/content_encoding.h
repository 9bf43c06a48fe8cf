/*
 * content_encoding: how what the server says may be packed, as an Accept-Encoding header asks.
 * Pure. Snappy's framing is written without compressing, which the format allows.
 */
#ifndef SERVER_MONITOR_CONTENT_ENCODING_H
#define SERVER_MONITOR_CONTENT_ENCODING_H

#include "base/buf.h"

enum content_encoding {
    CONTENT_PLAIN,    /* nothing was asked for */
    CONTENT_IDENTITY, /* nothing that is known */
    CONTENT_GZIP,
    CONTENT_SNAPPY,
};

enum content_encoding content_encoding_asked(struct bytes accept);
/* A block that says so; empty where nothing was asked for. */
struct bytes content_encoding_headers(enum content_encoding encoding);
/* Appends it. False at the limit. */
bool content_encode(enum content_encoding encoding, struct bytes content, struct buf *out);

#endif
