/* urls: a list of "host:port", with its own memory. */
#ifndef SERVER_URLS_H
#define SERVER_URLS_H

#include "base/bytes.h"

#define URLS_MAX 512u

struct urls {
    struct bytes *at; /* owned, as what they view */
    size_t count;
};

void urls_clear(struct urls *urls); /* also the end of it */
/* What is there already, or beyond URLS_MAX, is not added. Copied. */
void urls_add(struct urls *urls, struct bytes url);
/* An IPv6 host gets brackets. */
void urls_add_address(struct urls *urls, const char *host, uint16_t port);
bool urls_equal(const struct urls *a, const struct urls *b);

#endif
