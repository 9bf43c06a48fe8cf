#include "raft/mailbag.h"

#include <string.h>

#include "raft/wire.h"

#define TYPE_AT     8u /* behind the group */
#define NAMED_SIZE  9u
#define TO_AT       24u /* its incarnation */
#define TO_SIZE     8u
#define TYPE_FACTOR UINT64_C(0x9e3779b97f4a7c15)

void mailbag_init(struct mailbag *mailbag, size_t most, uint64_t seed)
{
    *mailbag = (struct mailbag){0};
    buf_init(&mailbag->messages, most);
    map64_init(&mailbag->places, seed);
}

void mailbag_deinit(struct mailbag *mailbag)
{
    buf_deinit(&mailbag->messages);
    map64_deinit(&mailbag->places);
}

void mailbag_clear(struct mailbag *mailbag)
{
    buf_clear(&mailbag->messages);
    if (mailbag->looked > 0)
        map64_deinit(&mailbag->places);
    mailbag->looked = 0;
}

uint8_t *mailbag_reserve(struct mailbag *mailbag)
{
    return buf_reserve(&mailbag->messages, WIRE_HEAD);
}

void mailbag_commit(struct mailbag *mailbag)
{
    buf_commit(&mailbag->messages, WIRE_HEAD);
}

static uint64_t key_of(const uint8_t *message)
{
    uint64_t group, to;

    memcpy(&group, message, sizeof group);
    memcpy(&to, message + TO_AT, sizeof to);
    return group + (message[TYPE_AT] ^ to) * TYPE_FACTOR;
}

/* A node whose disk is a new one may be two members of a group for a while. */
static bool same_name(const uint8_t *one, const uint8_t *other)
{
    return memcmp(one, other, NAMED_SIZE) == 0 && memcmp(one + TO_AT, other + TO_AT, TO_SIZE) == 0;
}

/* The older one of that group and type, to the same member; NULL: there is none, or its place is
 * another's. */
static uint8_t *older(const struct mailbag *mailbag, const uint8_t *message)
{
    const union map64_value *place = map64_find(&mailbag->places, key_of(message));

    if (place == NULL || !same_name(mailbag->messages.at + place->number, message))
        return NULL;
    return mailbag->messages.at + place->number;
}

void mailbag_hold(struct mailbag *mailbag)
{
    uint8_t *at = mailbag->messages.at;
    size_t size = mailbag->messages.size;

    for (size_t from = mailbag->looked; from < size; from += WIRE_HEAD) {
        uint8_t *before = older(mailbag, at + from);

        if (before != NULL) {
            memcpy(before, at + from, WIRE_HEAD);
            continue;
        }
        map64_put(&mailbag->places, key_of(at + from))->number = mailbag->looked;
        if (mailbag->looked != from)
            memcpy(at + mailbag->looked, at + from, WIRE_HEAD);
        mailbag->looked += WIRE_HEAD;
    }
    mailbag->messages.size = mailbag->looked;
}
