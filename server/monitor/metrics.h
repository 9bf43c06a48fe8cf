/* What the files of /metrics share. */
#ifndef SERVER_MONITOR_METRICS_H
#define SERVER_MONITOR_METRICS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct open_metrics;
struct server;

/* Rows of their own: of the others it is said how many there are. */
struct metrics_limits {
    size_t streams, consumers;
};

#define METRICS_STREAMS   1000 /* unless another number is asked for */
#define METRICS_CONSUMERS 1000
#define METRICS_ROWS_MAX  10000 /* of either */

/* Appends OpenMetrics text. False: there was no room for all of it. */
bool monitor_metrics(const struct server *server, const struct metrics_limits *limits,
                     struct buf *out);

/* metrics_streams.c; the server has JetStream. */
void monitor_metrics_streams(struct open_metrics *metrics, const struct server *server,
                             const struct metrics_limits *limits);

#endif
