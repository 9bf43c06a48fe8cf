#include "server/info.h"

#include "base/json.h"
#include "server/options.h"

#define PREFIX_SERVER (13u << 3) /* encodes as 'N' */
#define RAW_SIZE      35u        /* prefix, key, checksum */

/* CRC-16/XMODEM. */
static uint16_t crc16(const uint8_t *at, size_t size)
{
    uint16_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc = (uint16_t)(crc ^ (at[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

void info_make_id(char id[INFO_ID_SIZE + 1], const uint8_t random[32])
{
    uint8_t raw[RAW_SIZE];
    uint16_t crc;

    raw[0] = PREFIX_SERVER;
    memcpy(raw + 1, random, 32);
    crc = crc16(raw, 33);
    raw[33] = (uint8_t)crc;
    raw[34] = (uint8_t)(crc >> 8);

    static_assert(RAW_SIZE * 8 == INFO_ID_SIZE * 5, "no padding");
    for (size_t i = 0; i < INFO_ID_SIZE; i++) {
        size_t bit = i * 5;
        unsigned pair = (unsigned)raw[bit / 8] << 8;

        if (bit / 8 + 1 < RAW_SIZE)
            pair |= raw[bit / 8 + 1];
        id[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[pair >> (11 - bit % 8) & 31];
    }
    id[INFO_ID_SIZE] = 0;
}

static void string(struct json_writer *writer, struct bytes key, const char *value)
{
    json_key(writer, key);
    json_string(writer, bytes_of_text(value));
}

static void write_cluster(struct json_writer *w, const struct info *info)
{
    if (info->cluster.size > 0)
        JSON_KEY(w, "cluster"), json_string(w, info->cluster);
    if (info->cluster_dynamic)
        JSON_KEY(w, "cluster_dynamic"), json_bool(w, true);
    if (info->connect_urls_count == 0)
        return;
    JSON_KEY(w, "connect_urls");
    json_array_begin(w);
    for (size_t i = 0; i < info->connect_urls_count; i++)
        json_string(w, info->connect_urls[i]);
    json_array_end(w);
}

void info_write(struct buf *out, const struct info *info, const struct info_client *client)
{
    struct json_writer w;

    (void)BUF_ADD(out, "INFO "); /* the buffers of clients have no limit of their own */
    json_writer_init(&w, out);
    json_object_begin(&w);
    string(&w, BYTES("server_id"), info->id);
    string(&w, BYTES("server_name"), info->name);
    string(&w, BYTES("version"), NATS_VERSION);
    JSON_KEY(&w, "proto"), json_number_u64(&w, 1);
    string(&w, BYTES("go"), INFO_GO);
    string(&w, BYTES("millrace"), MILLRACE_VERSION);
    string(&w, BYTES("host"), info->host);
    JSON_KEY(&w, "port"), json_number_u64(&w, info->port);
    JSON_KEY(&w, "headers"), json_bool(&w, true);
    JSON_KEY(&w, "max_payload"), json_number_i64(&w, info->max_payload);
    if (info->jetstream)
        JSON_KEY(&w, "jetstream"), json_bool(&w, true);
    JSON_KEY(&w, "client_id"), json_number_u64(&w, client->id);
    string(&w, BYTES("client_ip"), client->address);
    write_cluster(&w, info);
    if (client->account.size > 0) {
        JSON_KEY(&w, "connect_info"), json_bool(&w, true);
        JSON_KEY(&w, "remote_account"), json_string(&w, client->account);
    }
    if (info->jetstream)
        JSON_KEY(&w, "api_lvl"), json_number_u64(&w, JETSTREAM_API_LEVEL);
    json_object_end(&w);
    (void)BUF_ADD(out, " \r\n");
}
