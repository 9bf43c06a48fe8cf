/*
 * Any bytes as the headers of a publish, and as a CONNECT: what is read points into what came, what
 * is to be stored stays as it is when it is cleaned again, and a line that was set is found.
 */
#include "server/clients/connect.h"
#include "server/stream/header_block.h"
#include "server/stream/publish_headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t seen;

/* The sanitizer objects when it points anywhere else. */
static void touch(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++)
        seen ^= b.at[i];
}

static void touch_all(const struct publish_headers *headers)
{
    const struct bytes *values = (const struct bytes *)headers;

    for (size_t i = 0; i < sizeof(*headers) / sizeof(*values); i++)
        touch(values[i]);
}

/* A block as the server's parser lets it through. */
static bool is_block(struct bytes b)
{
    return b.size >= 12 && memcmp(b.at, "NATS/1.0\r\n", 10) == 0 &&
           memcmp(b.at + b.size - 4, "\r\n\r\n", 4) == 0;
}

static void set_and_find(struct bytes block, struct bytes value)
{
    const struct bytes name = BYTES("Fuzz-Name");
    struct buf out;

    buf_init(&out, 1u << 20);
    header_block_set(block, name, value, &out);
    assert(bytes_equal(header_block_value(buf_bytes(&out), name), value));
    buf_deinit(&out);
}

static void read_headers(struct bytes in)
{
    struct publish_headers headers, again;
    struct buf scratch, second;
    struct bytes clean;
    int64_t seconds;

    buf_init(&scratch, 1u << 20);
    buf_init(&second, 1u << 20);
    publish_headers_read(in, &headers);
    touch_all(&headers);
    if (publish_headers_ttl(headers.ttl, &seconds))
        assert(seconds >= PUBLISH_TTL_NEVER && seconds <= PUBLISH_TTL_MAX);
    (void)publish_headers_marker(&headers);
    if (is_block(in)) {
        clean = publish_headers_clean(in, &scratch, &headers);
        touch(clean);
        touch_all(&headers);
        assert(clean.size <= in.size);
        assert(bytes_equal(publish_headers_clean(clean, &second, &again), clean));
        if (is_block(clean))
            set_and_find(clean, BYTES("value"));
    }
    buf_deinit(&scratch);
    buf_deinit(&second);
}

static void read_connect(struct bytes in)
{
    struct connect connect;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    connect_default(&connect);
    if (connect_read(&arena, in, &connect)) {
        touch(connect.name);
        touch(connect.lang);
        touch(connect.version);
        touch(connect.user);
        touch(connect.pass);
        touch(connect.auth_token);
        touch(connect.nkey);
        touch(connect.sig);
        touch(connect.jwt);
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_headers(bytes_of(data, size));
    read_connect(bytes_of(data, size));
    return 0;
}
