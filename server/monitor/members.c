/* Members of JSON objects, as the documents of monitoring have them. */
#include <stdio.h>

#include "base/text.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define MICROSECOND_NS INT64_C(1000)

void monitor_bytes(struct json_writer *w, struct bytes key, struct bytes value)
{
    json_key(w, key);
    json_string(w, value);
}

void monitor_bytes_given(struct json_writer *w, struct bytes key, struct bytes value)
{
    if (value.size > 0)
        monitor_bytes(w, key, value);
}

void monitor_text(struct json_writer *w, struct bytes key, const char *value)
{
    monitor_bytes(w, key, bytes_of_text(value));
}

void monitor_number(struct json_writer *w, struct bytes key, int64_t value)
{
    json_key(w, key);
    json_number_i64(w, value);
}

void monitor_unsigned(struct json_writer *w, struct bytes key, uint64_t value)
{
    json_key(w, key);
    json_number_u64(w, value);
}

void monitor_truth(struct json_writer *w, struct bytes key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
}

void monitor_flag(struct json_writer *w, struct bytes key, bool value)
{
    if (value)
        monitor_truth(w, key, true);
}

void monitor_seconds(struct json_writer *w, struct bytes key, int64_t ns)
{
    json_key(w, key);
    json_number_double(w, (double)ns / 1e9);
}

void monitor_wall_time(struct json_writer *w, struct bytes key, int64_t unix_ns)
{
    char at[TEXT_TIME_MAX];
    size_t size = text_time(at, unix_ns);

    monitor_bytes(w, key, bytes_of(at, size));
}

/* "4d2h3m5s", without the leading units that are zero. */
void monitor_uptime(struct json_writer *w, struct bytes key, int64_t ns)
{
    long long s = ns / 1000000000, m = s / 60, h = m / 60, d = h / 24, y = d / 365;
    char at[80];

    if (y > 0)
        snprintf(at, sizeof(at), "%lldy%lldd%lldh%lldm%llds", y, d % 365, h % 24, m % 60, s % 60);
    else if (d > 0)
        snprintf(at, sizeof(at), "%lldd%lldh%lldm%llds", d, h % 24, m % 60, s % 60);
    else if (h > 0)
        snprintf(at, sizeof(at), "%lldh%lldm%llds", h, m % 60, s % 60);
    else if (m > 0)
        snprintf(at, sizeof(at), "%lldm%llds", m, s % 60);
    else
        snprintf(at, sizeof(at), "%llds", s);
    monitor_text(w, key, at);
}

void monitor_duration(struct json_writer *w, struct bytes key, int64_t ns)
{
    char at[40];
    size_t size = text_duration(at, ns / MICROSECOND_NS * MICROSECOND_NS);

    monitor_bytes(w, key, bytes_of(at, size));
}

void monitor_empty(struct json_writer *w, struct bytes key)
{
    json_key(w, key);
    json_object_begin(w);
    json_object_end(w);
}

void monitor_traffic(struct json_writer *w, const struct traffic *traffic)
{
    monitor_unsigned(w, BYTES("msgs"), traffic->messages);
    monitor_unsigned(w, BYTES("bytes"), traffic->bytes);
}

void monitor_head(struct json_writer *w, const struct server *server)
{
    monitor_text(w, BYTES("server_id"), server->info.id);
    monitor_wall_time(w, BYTES("now"), io_wall(server->io));
}
