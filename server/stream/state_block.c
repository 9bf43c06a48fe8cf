/* state_block: a stream's state, without its messages, as bytes and back (docs/formats.md, Stream
 * in a state block). */
#include "base/codec.h"
#include "server/stream/apply.h"

#define VERSION         1u
#define FLAG_CONFIGURED 1u
#define FLAG_BEGUN      2u
#define FLAG_GAP        4u
#define FLAG_RESTORING  8u
#define FLAGS_ALL       15u
#define HEAD            104u /* up to the sizes */

/* ---- writing -------------------------------------------------------------------------------- */

static uint32_t flags_of(const struct stream_state *state)
{
    return (state->configured ? FLAG_CONFIGURED : 0) | (state->begun ? FLAG_BEGUN : 0) |
           (state->gap ? FLAG_GAP : 0) | (state->restoring ? FLAG_RESTORING : 0);
}

static void encode_ends(const struct expiries *ends, bool forgotten, struct buf *out)
{
    struct expiries none;

    expiries_init(&none, 1);
    expiries_encode(forgotten ? &none : ends, out);
    expiries_deinit(&none);
}

void stream_state_encode(const struct stream_state *state, struct buf *out)
{
    size_t size = HEAD + state->config_json.size + state->msg_id_last.size;
    size_t begin = out->size, lives, schedules, positions;
    uint8_t *at = buf_reserve(out, size);

    at = encode_u32(at, VERSION);
    at = encode_u32(at, flags_of(state));
    at = encode_u64(at, state->config_version);
    at = encode_u64(at, (uint64_t)state->created_ns);
    at = encode_u64(at, state->last_seq);
    at = encode_u64(at, (uint64_t)state->last_time_ns);
    at = encode_u64(at, (uint64_t)state->log_time_ns);
    at = encode_u64(at, state->lost_messages);
    at = encode_u64(at, state->gap_max);
    at = encode_u64(at, state->config_json.size);
    at = encode_u64(at, state->msg_id_last.size);
    at = encode_zeros(at, 24); /* sizes of the ends, the schedules and the positions, below */
    if (state->config_json.size > 0)
        memcpy(at, state->config_json.at, state->config_json.size);
    at += state->config_json.size;
    if (state->msg_id_last.size > 0)
        memcpy(at, state->msg_id_last.at, state->msg_id_last.size);
    buf_commit(out, size);
    lives = out->size;
    encode_ends(&state->expiries, apply_flaw(state, STREAM_FLAW_BLOCK_WITHOUT_ENDS), out);
    (void)encode_u64(out->at + begin + HEAD - 24, out->size - lives);
    schedules = out->size;
    encode_ends(&state->schedules, apply_flaw(state, STREAM_FLAW_BLOCK_WITHOUT_SCHEDULES), out);
    (void)encode_u64(out->at + begin + HEAD - 16, out->size - schedules);
    positions = out->size;
    positions_encode(&state->positions, out);
    (void)encode_u64(out->at + begin + HEAD - 8, out->size - positions);
    if (apply_flaw(state, STREAM_FLAW_BLOCK_WITHOUT_IDS)) {
        struct dedup none = state->dedup;

        none.oldest = none.newest = NULL;
        dedup_encode(&none, out);
        return;
    }
    dedup_encode(&state->dedup, out);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool take_config(struct stream_state *state, struct bytes json)
{
    return state->configured || state->restoring ? apply_config_json(state, json) == OK
                                                 : json.size == 0;
}

static bool take_id(struct stream_state *state, struct bytes id)
{
    if (!buf_add(&state->msg_id_memory, id))
        return false;
    state->msg_id_last = buf_bytes(&state->msg_id_memory);
    return true;
}

static bool sound(const struct stream_state *state)
{
    return state->last_seq <= STREAM_SEQUENCE_MAX &&
           state->gap_max <= STREAM_SEQUENCE_MAX - state->last_seq &&
           index_last(state->index) <= state->last_seq;
}

enum err stream_state_decode_begin(struct stream_state *state, struct bytes bytes,
                                   struct stream_state_decoding *decoding)
{
    uint64_t config_size, id_size, lives_size, schedules_size, positions_size;
    struct bytes config, id, lives, schedules, positions;
    uint32_t version, flags;
    struct decoder in;

    decoder_init(&in, bytes);
    version = decode_u32(&in);
    flags = decode_u32(&in);
    state->config_version = decode_u64(&in);
    state->created_ns = (int64_t)decode_u64(&in);
    state->last_seq = decode_u64(&in);
    state->last_time_ns = (int64_t)decode_u64(&in);
    state->log_time_ns = (int64_t)decode_u64(&in);
    state->lost_messages = decode_u64(&in);
    state->gap_max = decode_u64(&in);
    config_size = decode_u64(&in);
    id_size = decode_u64(&in);
    lives_size = decode_u64(&in);
    schedules_size = decode_u64(&in);
    positions_size = decode_u64(&in);
    config = decode_bytes(&in, config_size);
    id = decode_bytes(&in, id_size);
    lives = decode_bytes(&in, lives_size);
    schedules = decode_bytes(&in, schedules_size);
    positions = decode_bytes(&in, positions_size);
    if (in.failed || version != VERSION || (flags & ~FLAGS_ALL) != 0 || !sound(state))
        return ERR_CORRUPT;

    state->configured = (flags & FLAG_CONFIGURED) != 0;
    state->begun = (flags & FLAG_BEGUN) != 0;
    state->gap = (flags & FLAG_GAP) != 0;
    state->restoring = (flags & FLAG_RESTORING) != 0;
    if (!take_config(state, config) || !take_id(state, id) ||
        positions_decode(&state->positions, &state->config, positions) != OK)
        return ERR_CORRUPT;
    apply_set_first(state);
    *decoding = (struct stream_state_decoding){
        .lives = {.rest = lives},
        .schedules = {.rest = schedules},
    };
    return dedup_decode_begin(&state->dedup, in.rest, &decoding->ids);
}

enum err stream_state_decode_part(struct stream_state *state,
                                  struct stream_state_decoding *decoding, uint64_t *left)
{
    enum err err = expiries_decode_part(&state->expiries, &decoding->lives, left);

    if (err == OK)
        err = expiries_decode_part(&state->schedules, &decoding->schedules, left);
    if (err == OK)
        err = dedup_decode_part(&state->dedup, &decoding->ids, left);
    return err;
}

enum err stream_state_decode(struct stream_state *state, struct bytes bytes)
{
    struct stream_state_decoding decoding;
    uint64_t left = UINT64_MAX;
    enum err err = stream_state_decode_begin(state, bytes, &decoding);

    return err == OK ? stream_state_decode_part(state, &decoding, &left) : err;
}
