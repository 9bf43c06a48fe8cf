/*
 * content: what a batch holds, in memory and counted. It is the same on all replicas of a log. The
 * log needs it until it is durable, its owner as long as a follower may ask for it; large ones are
 * never copied. One thread.
 */
#ifndef STORAGE_CONTENT_H
#define STORAGE_CONTENT_H

#include "base/bytes.h"

#define LOG_CONTENT_MAX ((80u << 20) - (128u << 10)) /* size of the largest */

struct log_content;

struct log_hash {
    uint8_t at[16];
};

/* Memory for a content of that size (at most LOG_CONTENT_MAX), the caller's, to receive into one
 * that was sealed elsewhere. It is filled before it is appended, then it does not change. */
struct log_content *log_content_make(size_t size);
uint8_t *log_content_memory(struct log_content *content);
/* A copy of one that was found in a log, which says of it what a log_batch says. */
struct log_content *log_content_copy(struct bytes content, uint64_t index, uint64_t term,
                                     struct log_hash hash);

struct bytes log_content_bytes(const struct log_content *content);
/* Of one that was sealed here or appended. */
uint64_t log_content_index(const struct log_content *content);
struct log_hash log_content_hash(const struct log_content *content);

struct log_content *log_content_hold(struct log_content *content); /* returns it */
void log_content_drop(struct log_content *content);

#endif
