/* Members of JSON objects, as the documents of monitoring have them. */
#include <stdio.h>

#include "base/text.h"
#include "server/monitor/monitor_priv.h"
#include "server/server_priv.h"

#define MICROSECOND_NS INT64_C(1000)

void monitor_seconds(struct json_writer *w, struct bytes key, int64_t ns)
{
    json_key(w, key);
    json_number_double(w, (double)ns / 1e9);
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
    json_put_text(w, key, at);
}

void monitor_duration(struct json_writer *w, struct bytes key, int64_t ns)
{
    char at[40];
    size_t size = text_duration(at, ns / MICROSECOND_NS * MICROSECOND_NS);

    json_put_string(w, key, bytes_of(at, size));
}

void monitor_empty(struct json_writer *w, struct bytes key)
{
    json_key(w, key);
    json_object_begin(w);
    json_object_end(w);
}

void monitor_traffic(struct json_writer *w, const struct traffic *traffic)
{
    json_put_u64(w, BYTES("msgs"), traffic->messages);
    json_put_u64(w, BYTES("bytes"), traffic->bytes);
}

void monitor_head(struct json_writer *w, const struct server *server)
{
    json_put_text(w, BYTES("server_id"), server->info.id);
    json_put_time(w, BYTES("now"), io_wall(server->io));
}
