/*
 * Any bytes as what a hub, or the proxy before it, answers to who asks for a WebSocket. The first
 * byte says what was asked for, the second seeds the cuts. The head ends at the same place however
 * it comes; an answer is taken if it proves to know the key, and then agrees to nothing that was
 * not asked for; else the reason is a line of text.
 */
#include <string.h>

#include "base/http_head.h"
#include "base/prng.h"
#include "server/auth/base64.h"
#include "server/websocket/dial.h"

enum asked { COMPRESSED = 1, UNMASKED = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key is all zeros. */
static struct dial_wish wish_of(uint8_t asked)
{
    return (struct dial_wish){
        .host = "hub.example",
        .port = 443,
        .path = "/leafnode",
        .compressed = asked & COMPRESSED,
        .unmasked = asked & UNMASKED,
    };
}

static void check_reason(const char *reason)
{
    size_t size = strnlen(reason, DIAL_REASON_SIZE);

    assert(size > 0);
    assert(size < DIAL_REASON_SIZE);
    for (size_t i = 0; i < size; i++)
        assert(reason[i] >= ' ' && reason[i] < 0x7f);
}

static bool holds(struct bytes text, const char *part)
{
    return memmem(text.at, text.size, part, strlen(part)) != NULL;
}

static void hub_answers(struct bytes head, uint8_t asked)
{
    char reason[DIAL_REASON_SIZE], key[BASE64_SIZE(UPGRADE_KEY_SIZE)];
    char accepted[UPGRADE_ACCEPT_SIZE];
    struct dial_wish wish = wish_of(asked);

    if (!dial_answered(head, &wish, reason)) {
        check_reason(reason);
        return;
    }
    base64_write(key, bytes_of(wish.key, sizeof(wish.key)));
    upgrade_accept(bytes_of_text(key), accepted);
    assert(holds(bytes_take(head, 12), " 101"));
    assert(holds(head, accepted));
    assert(!wish.compressed || asked & COMPRESSED);
    assert(!wish.unmasked || asked & UNMASKED);
}

static void proxy_answers(struct bytes head)
{
    char reason[DIAL_REASON_SIZE];

    if (dial_proxy_answered(head, reason))
        assert(holds(bytes_take(head, 12), " 200"));
    else
        check_reason(reason);
}

/* In pieces, as a connection has it: whole when all of it is there, and not before. */
static void come_in_pieces(struct bytes b, size_t head, uint8_t seed)
{
    struct prng prng;

    prng_seed(&prng, seed);
    for (size_t at = 0; at < b.size; at += 1 + prng_below(&prng, 400)) {
        size_t found = http_head_size(bytes_take(b, at));

        assert(found == (head > 0 && at >= head ? head : 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    size_t head;

    if (size < 2)
        return 0;
    rest = bytes_skip(rest, 2);
    head = http_head_size(rest);
    assert(head <= rest.size);
    come_in_pieces(rest, head, data[1]);
    if (head > 0 && head <= UPGRADE_HEAD_MAX) {
        proxy_answers(bytes_take(rest, head));
        hub_answers(bytes_take(rest, head), data[0]);
    }
    return 0;
}
