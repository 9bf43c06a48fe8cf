#include "server/auth/nkey.h"

#define RAW_SIZE      (1 + NKEY_SIZE + 2) /* prefix, key, checksum */
#define SEED_RAW_SIZE (2 + NKEY_SIZE + 2) /* 'S' and the prefix in ten bits, seed, checksum */
#define SEED_MARK     0x90u

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static_assert(RAW_SIZE * 8 == NKEY_TEXT_SIZE * 5, "no padding");

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

void nkey_write(char out[static NKEY_TEXT_SIZE], enum nkey_kind kind,
                const uint8_t key[static NKEY_SIZE])
{
    uint8_t raw[RAW_SIZE];
    uint16_t crc;

    raw[0] = (uint8_t)kind;
    memcpy(raw + 1, key, NKEY_SIZE);
    crc = crc16(raw, 1 + NKEY_SIZE);
    raw[RAW_SIZE - 2] = (uint8_t)crc;
    raw[RAW_SIZE - 1] = (uint8_t)(crc >> 8);
    for (size_t i = 0; i < NKEY_TEXT_SIZE; i++) {
        size_t bit = i * 5;
        unsigned pair = (unsigned)raw[bit / 8] << 8;

        if (bit / 8 + 1 < RAW_SIZE)
            pair |= raw[bit / 8 + 1];
        out[i] = alphabet[pair >> (11 - bit % 8) & 31];
    }
}

/* `raw` is zeroed, and has room for all of the text's bits but less than eight. */
static bool decode(struct bytes text, uint8_t *raw, size_t size)
{
    for (size_t i = 0; i < text.size; i++) {
        const char *letter = text.at[i] != 0 ? strchr(alphabet, text.at[i]) : NULL;
        size_t bit = i * 5;
        unsigned pair;

        if (letter == NULL)
            return false;
        pair = (unsigned)(letter - alphabet) << (11 - bit % 8);
        raw[bit / 8] |= (uint8_t)(pair >> 8);
        if (bit / 8 + 1 < size)
            raw[bit / 8 + 1] |= (uint8_t)pair;
    }
    return true;
}

bool nkey_read(struct bytes text, enum nkey_kind kind, uint8_t key[static NKEY_SIZE])
{
    uint8_t raw[RAW_SIZE] = {0};

    if (text.size != NKEY_TEXT_SIZE || !decode(text, raw, sizeof(raw)))
        return false;
    if (raw[0] != kind || crc16(raw, 1 + NKEY_SIZE) != (raw[RAW_SIZE - 2] | raw[RAW_SIZE - 1] << 8))
        return false;
    memcpy(key, raw + 1, NKEY_SIZE);
    return true;
}

bool nkey_seed_read_any(struct bytes text, enum nkey_kind *kind, uint8_t seed[static NKEY_SIZE])
{
    uint8_t raw[SEED_RAW_SIZE + 1] = {0};
    bool good;

    if (text.size != NKEY_SEED_TEXT_SIZE || !decode(text, raw, sizeof(raw)))
        return false;
    good = (raw[0] & 0xf8) == SEED_MARK &&
           crc16(raw, SEED_RAW_SIZE - 2) == (raw[SEED_RAW_SIZE - 2] | raw[SEED_RAW_SIZE - 1] << 8);
    *kind = (enum nkey_kind)(uint8_t)((raw[0] & 7) << 5 | (raw[1] & 0xf8) >> 3);
    memcpy(seed, raw + 2, NKEY_SIZE);
    explicit_bzero(raw, sizeof(raw));
    return good;
}

bool nkey_seed_read(struct bytes text, enum nkey_kind kind, uint8_t seed[static NKEY_SIZE])
{
    enum nkey_kind found;

    return nkey_seed_read_any(text, &found, seed) && found == kind;
}
