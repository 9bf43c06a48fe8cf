#include "server/info.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/prng.h"
#include "tests/unit/unit.h"

/* An id is base32 of a prefix, 32 bytes and their CRC-16/XMODEM: what key tools check. */
static bool id_holds(const char *id)
{
    uint8_t raw[35] = {0};
    uint16_t crc = 0;

    for (size_t i = 0; i < INFO_ID_SIZE; i++) {
        const char *alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", *at = strchr(alphabet, id[i]);

        if (at == NULL)
            return false;
        for (size_t bit = 0; bit < 5; bit++) {
            if ((at - alphabet) >> (4 - bit) & 1)
                raw[(i * 5 + bit) / 8] |= (uint8_t)(0x80 >> (i * 5 + bit) % 8);
        }
    }
    for (size_t i = 0; i < 33 * 8; i++) {
        bool top = (crc >> 15) ^ (raw[i / 8] >> (7 - i % 8) & 1);

        crc = (uint16_t)((crc << 1) ^ (top ? 0x1021 : 0));
    }
    return raw[0] == 13 << 3 && raw[33] == (crc & 255) && raw[34] == crc >> 8;
}

START_TEST(an_id_is_a_well_formed_server_key)
{
    struct prng prng;

    prng_seed(&prng, 1);
    for (int round = 0; round < 1000; round++) {
        char id[INFO_ID_SIZE + 1];
        uint8_t random[32];

        for (size_t i = 0; i < sizeof(random); i++)
            random[i] = (uint8_t)prng_next(&prng);
        info_make_id(id, random);
        ck_assert_uint_eq(strlen(id), INFO_ID_SIZE);
        if (id[0] != 'N' || !id_holds(id))
            ck_abort_msg("%s", id);
    }
}
END_TEST

START_TEST(info_is_one_line_of_json_with_a_blank_before_its_end)
{
    struct info info = {
        .name = "a \"name\"\n", .host = "::1", .port = 4222, .max_payload = 1048576};
    struct info_client client = {.id = 7, .address = "10.0.0.1"};
    struct json_error error;
    struct bytes line, json;
    struct arena arena;
    struct buf out;

    buf_init(&out, 10000);
    arena_init(&arena, 1 << 20);
    info.jetstream = true;
    info_write(&out, &info, &client);
    line = buf_bytes(&out);
    ck_assert(bytes_starts(line, BYTES("INFO {")));
    ck_assert_uint_eq(bytes_find(line, '\n'), line.size - 1);
    json = bytes_skip(bytes_take(line, line.size - 3), 5);
    ck_assert(bytes_equal(bytes_skip(line, line.size - 4), BYTES("} \r\n")));
    ck_assert_ptr_nonnull(json_parse(&arena, json, &error));
    arena_deinit(&arena);
    buf_deinit(&out);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_id_is_a_well_formed_server_key,
        info_is_one_line_of_json_with_a_blank_before_its_end,
    };

    return UNIT_RUN_PLAIN("info", tests);
}
