/*
 * http_reply: what an HTTP/1.1 server answers to one GET, taken as it arrives: its status and its
 * body, of a length that is said, in chunks, or up to the end of the connection. Pure; what arrives
 * is hostile. Bounded: a head of HTTP_HEAD_MAX, a body of `size_max`.
 */
#ifndef SERVER_RESOLVER_HTTP_REPLY_H
#define SERVER_RESOLVER_HTTP_REPLY_H

#include "base/buf.h"

#define HTTP_HEAD_MAX 16384u

enum http_reply_state {
    HTTP_STATUS,     /* a line */
    HTTP_HEADERS,    /* lines up to an empty one */
    HTTP_BODY,       /* `left` more bytes */
    HTTP_TO_END,     /* all that comes */
    HTTP_CHUNK_SIZE, /* a line */
    HTTP_CHUNK,      /* `left` more bytes of this one */
    HTTP_CHUNK_END,  /* its line end */
    HTTP_TRAILER,    /* lines up to an empty one */
    HTTP_DONE,
    HTTP_BAD,
};

struct http_reply {
    enum http_reply_state state;
    const char *wrong; /* once bad */
    unsigned status;
    size_t size_max;
    bool chunked;
    bool counted; /* `left` was said */
    size_t left;
    size_t lines;  /* bytes of the head, or of the trailer */
    struct buf in; /* what is not taken yet */
    struct buf body;
};

void http_reply_init(struct http_reply *reply, size_t size_max);
void http_reply_deinit(struct http_reply *reply);
/* What arrived. What comes behind the end is dropped. */
void http_reply_feed(struct http_reply *reply, struct bytes b);
/* Nothing more comes: it is done now, or bad. */
void http_reply_end(struct http_reply *reply);

#endif
