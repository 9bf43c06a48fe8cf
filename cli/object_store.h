/* object_store: what the commands of object buckets share: finding an object, moving its content.
 */
#ifndef CLI_OBJECT_STORE_H
#define CLI_OBJECT_STORE_H

#include "cli/api.h"
#include "objstore/object.h"

/* Checks the names; `name` may be NULL. EXIT_DONE, or said. */
int object_store_check(struct cli *cli, const char *bucket, const char *name);
const char *object_store_stream(struct cli *cli, const char *bucket);
const char *object_store_meta_subject(struct cli *cli, const char *bucket, const char *name);
const char *object_store_chunk_subject(struct cli *cli, const char *bucket, struct bytes id);
/* The stream's info; a bucket that is not there is said as such. */
int object_store_info(struct cli *cli, const char *bucket, const struct json **info);

/* What is known of an object. *found is false when there never was one; it may be deleted. */
int object_store_find(struct cli *cli, const char *bucket, const char *name, struct object *object,
                      struct bytes *time, bool *found);
/* The same, when it must be there: EXIT_MISSING is said. A link is followed; *bucket changes. */
int object_store_need(struct cli *cli, const char **bucket, const char *name, struct object *object,
                      struct bytes *time);

/* Publishes a description, in the place of the last. EXIT_DONE, or said. */
int object_store_describe(struct cli *cli, const struct object *object);
/* Removes all chunks of one id. */
int object_store_forget(struct cli *cli, const char *bucket, struct bytes id);
/* The same after something failed that has been said: if this fails, too, nothing more is said. */
void object_store_abandon(struct cli *cli, const char *bucket, struct bytes id);

#endif
