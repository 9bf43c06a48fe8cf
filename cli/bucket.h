/* bucket: what key-value and object buckets have in common on the command line. */
#ifndef CLI_BUCKET_H
#define CLI_BUCKET_H

#include "cli/api.h"
#include "server/stream/stream_config.h"

/* From --tags and --cluster into `placement`; NULL when neither is given. */
struct stream_placement *bucket_placement(struct cli *cli, struct stream_placement *placement);
/* From --storage. EXIT_DONE, or said. */
int bucket_storage(struct cli *cli, int32_t *storage);
/* Creates the stream. EXIT_DONE, or said. */
int bucket_create(struct cli *cli, const struct stream_config *config);
/* A table of all buckets whose stream's name begins so; with --names or --json as those say. */
int bucket_list(struct cli *cli, const char *prefix, const char *title, bool values);
/* Asks, unless forced, and removes the stream. */
int bucket_remove(struct cli *cli, const char *stream, const char *what);

#endif
