/* stream_show: what a stream is, for people. */
#ifndef CLI_STREAM_SHOW_H
#define CLI_STREAM_SHOW_H

#include "cli/api.h"

/* An answer of STREAM.INFO, CREATE or UPDATE. */
void stream_show(struct cli *cli, const struct json *info);
/* Of it the state only. */
void stream_show_state(struct cli *cli, const struct json *info);
/* "n1*, n2, n3!": the leader starred, who is away with an exclamation mark; of `cluster`. */
const char *stream_show_replicas(struct cli *cli, const struct json *cluster);
void stream_show_cluster(struct cli *cli, const struct json *cluster, unsigned width);
void stream_show_metadata(struct cli *cli, const struct json *metadata, unsigned width);

#endif
