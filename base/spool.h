/*
 * spool: many bytes that are added at the end and then read in one piece. From SPOOL_HEAP_MAX on
 * they lie in a file without a name, which is gone with the process, and are read through a
 * mapping: so they cost the page cache and not memory of the process. Without space on the disk,
 * or without a directory, they stay in memory; nobody sees the difference.
 *
 * Nothing is ever synced. When the disk fails to give back what was added, the spool has failed
 * (base/guard.h): zeros stand for what is missing, and who has read it asks before anything is done
 * with that. One thread at a time.
 */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

#include "base/buf.h"
#include "base/guard.h"

#define SPOOL_HEAP_MAX ((size_t)1 << 20)

struct spool;

/* In a file of that directory, which stays open until it is destroyed; -1: in memory only. */
struct spool *spool_create(int directory);
/* What is in the buffer, whose memory becomes the spool's; it stays in memory. */
struct spool *spool_of(struct buf *buf);
void spool_destroy(struct spool *spool); /* NULL is fine */

/* Not after spool_bytes. */
void spool_add(struct spool *spool, struct bytes b);
/* Other bytes in the place of as many that were added. Not after spool_bytes. */
void spool_set(struct spool *spool, size_t offset, struct bytes b);
size_t spool_size(const struct spool *spool);

/* Not 0: it has failed. Good as long as the spool. */
guard_failed *spool_failed(struct spool *spool);

/* All of it, good until the spool is destroyed. */
struct bytes spool_bytes(struct spool *spool);

#endif
