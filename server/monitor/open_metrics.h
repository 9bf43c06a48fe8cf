/*
 * open_metrics: writes metrics as OpenMetrics 1.0 text
 * (https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md): families one
 * after the other, each with its type, its help and then all of its samples, "# EOF" at the end.
 */
#ifndef SERVER_MONITOR_OPEN_METRICS_H
#define SERVER_MONITOR_OPEN_METRICS_H

#include "base/buf.h"
#include "base/latency.h"

#define OPEN_METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct metric_label {
    const char *name;
    struct bytes value; /* any bytes; escaped */
};

struct metric_labels {
    const struct metric_label *at;
    size_t count;
};

struct open_metrics {
    struct buf *out;
    const char *family;
    bool counter; /* of the family: its samples are called so, too */
    bool failed;  /* there was no room for all */
};

/* What is to follow; `name` and `help` are literals. Names of counters go without "_total". */
void metrics_gauge(struct open_metrics *metrics, const char *name, const char *help);
void metrics_counter(struct open_metrics *metrics, const char *name, const char *help);
/* What a server is, in labels. */
void metrics_info(struct open_metrics *metrics, const char *name, const char *help,
                  struct metric_labels labels);
/* A whole family of its own; `name` ends with "_seconds". */
void metrics_latency(struct open_metrics *metrics, const char *name, const char *help,
                     const struct latency *latency);
void metrics_end(struct open_metrics *metrics);

/* One sample of the family that was begun last. */
void metrics_number(struct open_metrics *metrics, struct metric_labels labels, uint64_t value);
void metrics_seconds(struct open_metrics *metrics, struct metric_labels labels, int64_t ns);

/* A whole family of one sample without labels. */
void metrics_gauge_of(struct open_metrics *metrics, const char *name, const char *help,
                      uint64_t value);
void metrics_counter_of(struct open_metrics *metrics, const char *name, const char *help,
                        uint64_t value);

#endif
