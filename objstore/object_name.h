/*
 * object_name: where an object bucket and its objects live (reference consumers 12.1, 12.2): the
 * stream "OBJ_<bucket>", its chunks under "$O.<bucket>.C.<id>", what is known of an object in the
 * last message of "$O.<bucket>.M.<name>", its name in URL-safe base64 with padding. Pure. Functions
 * that append to `out` append all or, at its limit, nothing and return false.
 */
#ifndef OBJSTORE_OBJECT_NAME_H
#define OBJSTORE_OBJECT_NAME_H

#include "base/buf.h"
#include "base/limits.h"

#define OBJECT_STREAM_PREFIX "OBJ_"
#define OBJECT_BUCKET_MAX    (NAME_SIZE_MAX - (sizeof OBJECT_STREAM_PREFIX - 1))
/* The longest name whose subject still fits. */
#define OBJECT_NAME_MAX ((SUBJECT_SIZE_MAX - OBJECT_BUCKET_MAX - 6) / 4 * 3)

/* Letters, digits, '-' and '_'; at least one, at most OBJECT_BUCKET_MAX. */
bool object_bucket_valid(struct bytes bucket);
/* Any text but the empty one, up to OBJECT_NAME_MAX. */
bool object_name_valid(struct bytes name);

bool object_stream_name(struct buf *out, struct bytes bucket);
bool object_stream_bucket(struct bytes stream, struct bytes *bucket);

bool object_chunk_subject(struct buf *out, struct bytes bucket, struct bytes id);
bool object_meta_subject(struct buf *out, struct bytes bucket, struct bytes name);

/* False: the subject is not a description's. The name is appended to `name`. */
bool object_meta_read(struct bytes subject, struct bytes *bucket, struct buf *name);

/* "SHA-256=" and the hash in the same base64. */
#define OBJECT_HASH_SIZE   32u
#define OBJECT_DIGEST_SIZE (8u + 44u)
void object_digest_write(const uint8_t hash[static OBJECT_HASH_SIZE],
                         char out[static OBJECT_DIGEST_SIZE + 1]);
/* Also without padding, as some wrote it. False: it is something else. */
bool object_digest_read(struct bytes digest, uint8_t hash[static OBJECT_HASH_SIZE]);

#endif
