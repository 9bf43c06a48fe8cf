#include "server/monitor/open_metrics.h"

#include <inttypes.h>

#define NS_PER_S 1000000000

static void add(struct open_metrics *m, struct bytes b)
{
    m->failed |= !buf_add(m->out, b);
}

#define PRINT(m, ...) ((m)->failed |= !buf_print((m)->out, __VA_ARGS__))

static void begin(struct open_metrics *m, const char *name, const char *type, const char *help)
{
    m->family = name;
    m->counter = false;
    PRINT(m, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void add_value(struct open_metrics *m, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.at[i];

        if (byte == '\n')
            add(m, BYTES("\\n"));
        else if (byte == '"' || byte == '\\')
            PRINT(m, "\\%c", byte);
        else
            add(m, bytes_of(&value.at[i], 1));
    }
}

static void add_labels(struct open_metrics *m, struct metric_labels labels)
{
    for (size_t i = 0; i < labels.count; i++) {
        PRINT(m, "%s%s=\"", i == 0 ? "{" : ",", labels.at[i].name);
        add_value(m, labels.at[i].value);
        add(m, BYTES("\""));
    }
    if (labels.count > 0)
        add(m, BYTES("}"));
}

static void begin_sample(struct open_metrics *m, struct metric_labels labels)
{
    PRINT(m, "%s%s", m->family, m->counter ? "_total" : "");
    add_labels(m, labels);
}

static void print_seconds(struct open_metrics *m, uint64_t ns)
{
    PRINT(m, " %" PRIu64 ".%09u\n", ns / NS_PER_S, (unsigned)(ns % NS_PER_S));
}

void metrics_gauge(struct open_metrics *m, const char *name, const char *help)
{
    begin(m, name, "gauge", help);
}

void metrics_counter(struct open_metrics *m, const char *name, const char *help)
{
    begin(m, name, "counter", help);
    m->counter = true;
}

void metrics_info(struct open_metrics *m, const char *name, const char *help,
                  struct metric_labels labels)
{
    begin(m, name, "info", help);
    PRINT(m, "%s_info", name);
    add_labels(m, labels);
    add(m, BYTES(" 1\n"));
}

void metrics_number(struct open_metrics *m, struct metric_labels labels, uint64_t value)
{
    begin_sample(m, labels);
    PRINT(m, " %" PRIu64 "\n", value);
}

void metrics_seconds(struct open_metrics *m, struct metric_labels labels, int64_t ns)
{
    begin_sample(m, labels);
    print_seconds(m, ns > 0 ? (uint64_t)ns : 0);
}

void metrics_gauge_of(struct open_metrics *m, const char *name, const char *help, uint64_t value)
{
    metrics_gauge(m, name, help);
    metrics_number(m, (struct metric_labels){0}, value);
}

void metrics_counter_of(struct open_metrics *m, const char *name, const char *help, uint64_t value)
{
    metrics_counter(m, name, help);
    metrics_number(m, (struct metric_labels){0}, value);
}

void metrics_latency(struct open_metrics *m, const char *name, const char *help,
                     const struct latency *latency)
{
    uint64_t below = 0;

    begin(m, name, "histogram", help);
    PRINT(m, "# UNIT %s seconds\n", name);
    for (unsigned i = 0; i + 1 < LATENCY_BUCKETS; i++) {
        int64_t end = latency_end(i);

        below += latency->buckets[i];
        PRINT(m, "%s_bucket{le=\"%" PRId64 ".%09u\"} %" PRIu64 "\n", name, end / NS_PER_S,
              (unsigned)(end % NS_PER_S), below);
    }
    PRINT(m, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, latency->count);
    PRINT(m, "%s_count %" PRIu64 "\n%s_sum", name, latency->count, name);
    print_seconds(m, latency->sum_ns);
}

void metrics_end(struct open_metrics *m)
{
    add(m, BYTES("# EOF\n"));
}
