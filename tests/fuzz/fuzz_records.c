/* Any bytes as records of a log: refused or read, and what was read of a message writes back the
 * same. */
#include "server/jetstream/catalogue.h"
#include "server/stream/effect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_back(const struct record *record, const struct effect *effect)
{
    struct record again_record;
    struct effect again;
    struct buf out;

    buf_init(&out, RECORD_SIZE_MAX);
    if (effect_write(&out, effect)) {
        enum err err = record_read(buf_bytes(&out), &again_record);

        assert(err == OK);
        err = effect_read(&again_record, &again);
        assert(err == OK);
        assert(again.type == effect->type);
        if (effect->type == EFFECT_MESSAGE) {
            assert(again.message.sequence == effect->message.sequence);
            assert(bytes_equal(again.message.subject, effect->message.subject));
            assert(bytes_equal(again.message.headers, effect->message.headers));
            assert(bytes_equal(again.message.payload, effect->message.payload));
        }
    }
    (void)record;
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    struct catalogue catalogue;
    struct record record;
    struct effect effect;

    catalogue_init(&catalogue, 1);
    (void)record_read(rest, &record); /* with its checksum: mostly refused */
    while (rest.size > 0 && record_peek(rest, &record) == OK) {
        if (effect_read(&record, &effect) == OK)
            write_back(&record, &effect);
        (void)catalogue_apply(&catalogue, &record, NULL);
        rest = bytes_skip(rest, record.size);
    }
    catalogue_deinit(&catalogue);
    return 0;
}
