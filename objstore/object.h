/*
 * object: what is known of an object: the body of its description, and what follows from it: how it
 * is cut into chunks, where a link leads, which chunks belong to nobody (reference consumers 12.3,
 * 12.4). Pure.
 */
#ifndef OBJSTORE_OBJECT_H
#define OBJSTORE_OBJECT_H

#include "base/schema.h"

#define OBJECT_CHUNK_DEFAULT 131072u

/* What the object's maker says of it, many texts for one name. */
struct object_header {
    struct bytes name;
    struct schema_strings values;
};

struct object_link {
    struct bytes bucket;
    struct bytes name; /* empty: the bucket itself */
};

struct object {
    struct bytes name;
    struct bytes description;
    struct object_header *headers;
    size_t header_count;
    struct schema_map metadata;
    bool linked;
    struct object_link link; /* with `linked` */
    uint64_t chunk_max;      /* 0: not said */
    struct bytes bucket;
    struct bytes id; /* of its chunks; empty: it has none */
    uint64_t size;
    uint64_t chunks;
    struct bytes digest;
    bool deleted;
};

/* Reads a description. What it points to is in `arena` or `body`. False: it is none. */
bool object_read(struct bytes body, struct arena *arena, struct object *out);
/* Appends the description as clients write it; the time it was made is that of its message. False:
 * `out` is at its limit and as it was. */
bool object_write(const struct object *object, struct buf *out);

/* How many chunks of at most `chunk_max` a content of that size has. */
uint64_t object_chunk_count(uint64_t size, uint64_t chunk_max);

/*
 * Reading an object chunk by chunk: `object_chunk_take` for each in the order of the stream, then
 * `object_complete`. The content's hash is the caller's to make, and to compare with `digest`.
 */
struct object_reading {
    const struct object *object;
    uint64_t size, chunks;
};
void object_reading_init(struct object_reading *reading, const struct object *object);
/* False: more comes than the description says. */
bool object_chunk_take(struct object_reading *reading, uint64_t size);
bool object_complete(const struct object_reading *reading);

/*
 * May a link of that name in `bucket` lead to `target` (NULL: to a whole bucket)? NULL: yes; else
 * why not. A link to a link is refused: whoever follows one needs no bound.
 */
const char *object_link_check(struct bytes bucket, struct bytes name, const struct object *target);

/*
 * The audit of a bucket: every description that is the last of its name, and the id of every chunk.
 * Chunks that no description names are orphans: of a put that never ended, or of a version that was
 * replaced.
 */
struct object_audit_chunks {
    struct bytes id;
    uint64_t chunks, size;
};
struct object_audit {
    uint64_t orphans;       /* ids without a description */
    uint64_t orphan_chunks; /* their chunks */
    uint64_t damaged;       /* descriptions whose chunks are not all there, or too many */
};
/* Both arrays are sorted in place. */
void object_audit(struct object *objects, size_t object_count, struct object_audit_chunks *held,
                  size_t held_count, struct object_audit *out);

#endif
