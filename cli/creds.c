#include "cli/creds.h"

#define SEED_TEXT_SIZE 58u
#define SEED_RAW_SIZE  36u   /* two bytes of prefix, the seed, a checksum */
#define SEED_MARK      0x90u /* 'S' in the first five bits */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

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

static bool decode(struct bytes text, uint8_t raw[static SEED_RAW_SIZE])
{
    unsigned bits = 0, held = 0;
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        const char *letter = text.at[i] != 0 ? strchr(alphabet, text.at[i]) : NULL;

        if (letter == NULL)
            return false;
        held = (held << 5 | (unsigned)(letter - alphabet)) & 0xfff;
        bits += 5;
        if (bits >= 8 && size < SEED_RAW_SIZE) {
            bits -= 8;
            raw[size++] = (uint8_t)(held >> bits);
        }
    }
    return size == SEED_RAW_SIZE;
}

static bool read_seed(struct bytes text, uint8_t seed[static CRYPTO_SEED_SIZE])
{
    uint8_t raw[SEED_RAW_SIZE];
    bool good;

    if (text.size != SEED_TEXT_SIZE || !decode(text, raw))
        return false;
    good = (raw[0] & 0xf8) == SEED_MARK &&
           crc16(raw, SEED_RAW_SIZE - 2) == (raw[SEED_RAW_SIZE - 2] | raw[SEED_RAW_SIZE - 1] << 8);
    memcpy(seed, raw + 2, CRYPTO_SEED_SIZE);
    crypto_forget(raw, sizeof(raw));
    return good;
}

/* The next line without the blanks around it; false: there is none. */
static bool take_line(struct bytes *text, struct bytes *line)
{
    size_t end;

    if (text->size == 0)
        return false;
    end = bytes_find(*text, '\n');
    *line = bytes_trim(bytes_take(*text, end));
    *text = bytes_skip(*text, end < text->size ? end + 1 : end);
    return true;
}

bool creds_read_seed(struct bytes text, struct creds *creds)
{
    struct bytes line;

    *creds = (struct creds){0};
    while (take_line(&text, &line))
        if (read_seed(line, creds->seed))
            return true;
    return false;
}

bool creds_read(struct bytes text, struct creds *creds)
{
    struct bytes rest = text, line, jwt = {0};

    if (!creds_read_seed(text, creds))
        return false;
    while (jwt.size == 0 && take_line(&rest, &line))
        if (bytes_starts(line, BYTES("ey")) && bytes_find(line, '.') < line.size)
            jwt = line;
    creds->jwt = jwt;
    return jwt.size > 0;
}
