#include "storage/index_capture.h"

#include "base/heap.h"
#include "base/varint.h"
#include "storage/index_priv.h"

#define PIECE_BITS  INDEX_PIECE_BITS
#define PIECE_SPAN  (1u << PIECE_BITS)
#define NAMES       2048u /* places in a piece's table of subjects: twice what it can hold */
#define NAMED_LEAST 4u    /* subjects a message of a range: fewer are looked up fast */
#define MESSAGE_MAX (6 * VARINT_MAX) /* of one, without its subject's text */

static_assert(NAMES >= 2 * PIECE_SPAN, "it is never more than half full");

/* One range, taken down before its turn: in scratch memory, if there is any and it takes that. */
struct piece {
    uint64_t number;
    uint32_t messages, places; /* bytes of each, one behind the other */
    const uint8_t *at;
    bool cold;
};

struct piece_name {
    uint32_t id_plus_1;
    uint32_t number;
};

struct taken {
    uint64_t sequence;
    struct index_slot slot;
};

struct index_capture {
    struct index *index;
    bool own;             /* it was emptied, and this is what it had */
    bool named;           /* rows say numbers of subjects, too */
    uint64_t next;        /* number of the lowest range that is still to be taken in order */
    uint64_t last;        /* highest sequence that belongs to it; 0: nothing does */
    struct buf *messages; /* of the ranges below `next` */
    struct buf places;
    struct buf early_messages, early_places; /* of the range that is taken down before its turn */
    struct piece **early; /* ranges at or above it that were about to change, rising */
    size_t early_at, early_count, early_capacity;
    struct piece_name names[NAMES];
    struct taken *taken; /* the range that is being taken down: room for all there are in one */
};

static size_t range_max(const struct index *index)
{
    return index->count < PIECE_SPAN ? (size_t)index->count : PIECE_SPAN;
}

struct index_capture *index_capture_begin(struct index *index, struct buf *pieces)
{
    struct index_capture *capture = HEAP_NEW(struct index_capture);

    assert(index->capture == NULL);
    capture->index = index;
    capture->last = index_last(index);
    capture->taken = heap_resize(NULL, range_max(index) * sizeof capture->taken[0]);
    capture->messages = pieces;
    buf_init(&capture->places, SIZE_MAX);
    buf_init(&capture->early_messages, SIZE_MAX);
    buf_init(&capture->early_places, SIZE_MAX);
    index->capture = capture;
    return capture;
}

bool index_capture_name(struct index_capture *capture)
{
    const struct index *index = capture->index;

    assert(capture->next == 0 && capture->early_count == 0);
    capture->named = index->subjects.count >= (uint64_t)NAMED_LEAST << index->blocks.bits;
    return capture->named;
}

static void piece_free(const struct index_capture *capture, struct piece *piece)
{
    if (piece->cold)
        scratch_give(capture->index->blocks.memory.scratch, piece->at,
                     piece->messages + piece->places);
    else
        heap_give((void *)piece->at);
    heap_give(piece);
}

void index_capture_end(struct index_capture *capture)
{
    capture->index->capture = NULL;
    for (size_t i = capture->early_at; i < capture->early_count; i++)
        piece_free(capture, capture->early[i]);
    heap_give(capture->early);
    heap_give(capture->taken);
    buf_deinit(&capture->places);
    buf_deinit(&capture->early_messages);
    buf_deinit(&capture->early_places);
    if (capture->own)
        index_destroy(capture->index);
    heap_give(capture);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* What the messages of a piece are coded against. */
struct coder {
    uint64_t sequence;
    int64_t time_ns;
    uint32_t record_size, stored_size;
    uint32_t names; /* so far */
};

/* The subject's number in this piece, or 0 when it has none yet, and gets the next. */
static uint32_t name_number(struct index_capture *capture, struct coder *coder, uint32_t id)
{
    size_t i = (size_t)(id * 2654435761u) & (NAMES - 1);

    while (capture->names[i].id_plus_1 != 0 && capture->names[i].id_plus_1 != id + 1)
        i = (i + 1) & (NAMES - 1);
    if (capture->names[i].id_plus_1 != 0)
        return capture->names[i].number;
    capture->names[i] = (struct piece_name){.id_plus_1 = id + 1, .number = ++coder->names};
    return 0;
}

/* True: its subject is new in this piece. */
static bool add_message(struct index_capture *capture, struct coder *coder, uint64_t sequence,
                        const struct index_slot *slot, struct buf *out)
{
    uint32_t number = name_number(capture, coder, slot->subject);
    struct bytes subject = {0};
    uint8_t *begin, *at;

    if (number == 0)
        subject = index_subjects_text(&capture->index->subjects, slot->subject);
    at = begin = buf_reserve(out, MESSAGE_MAX + subject.size);

    at = varint_write(at, sequence - coder->sequence);
    at = varint_write(at, varint_fold(slot->time_ns - coder->time_ns));
    at = varint_write(at, varint_fold((int64_t)slot->record_size - coder->record_size));
    at = varint_write(at, varint_fold((int64_t)slot->stored_size - coder->stored_size));
    at = varint_write(at, number);
    if (number == 0) {
        at = varint_write(at, subject.size);
        memcpy(at, subject.at, subject.size);
        at += subject.size;
    }
    buf_commit(out, (size_t)(at - begin));
    coder->sequence = sequence;
    coder->time_ns = slot->time_ns;
    coder->record_size = slot->record_size;
    coder->stored_size = slot->stored_size;
    return number == 0;
}

static void add_place(struct buf *out, log_place place, log_place *expected, uint32_t size)
{
    (void)varint_add(out, varint_fold((int64_t)(place - *expected)));
    *expected = place + size;
}

/* The live messages of a range, up to the capture's last, into `taken`; the cursor is at the first.
 * What is known of their subjects is asked for meanwhile. */
static uint32_t read_range(struct index_capture *capture, struct index_cursor cursor)
{
    const struct index_blocks *blocks = &capture->index->blocks;
    const struct index_names *names = &capture->index->subjects.names;
    uint64_t number = index_cursor_sequence(blocks, cursor) >> PIECE_BITS;
    uint32_t count = 0;

    do {
        uint64_t sequence = index_cursor_sequence(blocks, cursor);
        struct taken *taken = &capture->taken[count];

        if (sequence >> PIECE_BITS != number || sequence > capture->last)
            break;
        taken->sequence = sequence;
        index_cursor_read(blocks, cursor, &taken->slot);
        __builtin_prefetch(index_names_at(names, taken->slot.subject));
        count++;
    } while (index_cursor_next(blocks, &cursor));
    return count;
}

/* A range's messages, the cursor is at the first. Its places are coded by themselves, too. With
 * many subjects each text is somewhere else: all are asked for before the first is needed. */
static void take_down(struct index_capture *capture, struct index_cursor first,
                      struct buf *messages, struct buf *places)
{
    uint64_t number = index_cursor_sequence(&capture->index->blocks, first) >> PIECE_BITS;
    uint32_t count = read_range(capture, first);
    struct coder coder = {.sequence = number << PIECE_BITS};
    log_place expected = 0;

    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(
            index_subjects_text(&capture->index->subjects, capture->taken[i].slot.subject).at);
    memset(capture->names, 0, sizeof capture->names);
    (void)varint_add(messages, count);
    (void)varint_add(messages, number);
    for (uint32_t i = 0; i < count; i++) {
        const struct taken *taken = &capture->taken[i];

        if (add_message(capture, &coder, taken->sequence, &taken->slot, messages) && capture->named)
            (void)varint_add(places, taken->slot.subject);
        add_place(places, taken->slot.place, &expected, taken->slot.record_size);
    }
}

/* Where in `early` a range is or would be. */
static size_t early_place(const struct index_capture *capture, uint64_t number)
{
    size_t low = capture->early_at, high = capture->early_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (capture->early[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct piece *early_add(struct index_capture *capture, size_t place, uint64_t number)
{
    struct piece *piece = HEAP_NEW(struct piece);

    if (capture->early_count == capture->early_capacity) {
        capture->early_capacity = capture->early_capacity == 0 ? 16 : capture->early_capacity * 2;
        capture->early =
            heap_resize(capture->early, capture->early_capacity * sizeof capture->early[0]);
    }
    memmove(&capture->early[place + 1], &capture->early[place],
            (capture->early_count - place) * sizeof capture->early[0]);
    capture->early[place] = piece;
    capture->early_count++;
    piece->number = number;
    return piece;
}

/* Many ranges may change before their turn. */
static void piece_fill(const struct index_capture *capture, struct piece *piece,
                       struct bytes messages, struct bytes places)
{
    struct scratch *scratch = capture->index->blocks.memory.scratch;
    struct buf both;

    buf_init(&both, SIZE_MAX);
    (void)buf_add(&both, messages);
    (void)buf_add(&both, places);
    piece->messages = (uint32_t)messages.size;
    piece->places = (uint32_t)places.size;
    if (scratch != NULL && both.size <= SCRATCH_PIECE_MAX)
        piece->at = scratch_put(scratch, buf_bytes(&both));
    piece->cold = piece->at != NULL;
    if (!piece->cold)
        piece->at = heap_copy(buf_bytes(&both)).at;
    buf_deinit(&both);
}

void index_capture_touch(struct index_capture *capture, uint64_t sequence)
{
    uint64_t number = sequence >> PIECE_BITS;
    struct buf *messages = &capture->early_messages, *places = &capture->early_places;
    struct index_cursor cursor;
    size_t place;

    if (capture->last == 0 || number < capture->next || number > capture->last >> PIECE_BITS)
        return;
    place = early_place(capture, number);
    if (place < capture->early_count && capture->early[place]->number == number)
        return;
    if (!index_cursor_up(&capture->index->blocks, number << PIECE_BITS, &cursor) ||
        index_cursor_sequence(&capture->index->blocks, cursor) >> PIECE_BITS != number)
        return;
    buf_clear(messages);
    buf_clear(places);
    take_down(capture, cursor, messages, places);
    if (messages->size > 0)
        piece_fill(capture, early_add(capture, place, number), buf_bytes(messages),
                   buf_bytes(places));
}

/* ---- in steps ------------------------------------------------------------------------------- */

static void move_early(struct index_capture *capture)
{
    struct piece *piece = capture->early[capture->early_at++];

    (void)buf_add(capture->messages, bytes_of(piece->at, piece->messages));
    (void)buf_add(&capture->places, bytes_of(piece->at + piece->messages, piece->places));
    piece_free(capture, piece);
}

/* The next range in order; false: there is none. */
static bool take_next(struct index_capture *capture)
{
    const struct index_blocks *blocks = &capture->index->blocks;
    uint64_t early = UINT64_MAX, number = UINT64_MAX, last = capture->last >> PIECE_BITS;
    struct index_cursor cursor;

    if (capture->early_at < capture->early_count)
        early = capture->early[capture->early_at]->number;
    if (capture->next <= last && index_cursor_up(blocks, capture->next << PIECE_BITS, &cursor) &&
        index_cursor_sequence(blocks, cursor) >> PIECE_BITS <= last)
        number = index_cursor_sequence(blocks, cursor) >> PIECE_BITS;
    if (early == UINT64_MAX && number == UINT64_MAX)
        return false;
    if (early <= number) {
        move_early(capture);
        capture->next = early + 1;
    } else {
        take_down(capture, cursor, capture->messages, &capture->places);
        capture->next = number + 1;
    }
    return true;
}

const struct index *index_captured(const struct index_capture *capture)
{
    return capture->index;
}

bool index_bare_capture_step(struct index_capture *capture, unsigned pieces)
{
    if (capture->last == 0)
        return false;
    for (unsigned i = 0; i < pieces; i++) {
        if (!take_next(capture))
            return false;
    }
    return true;
}

void index_capture_keep(struct index_capture *capture, struct index *gone)
{
    assert(!capture->own);
    capture->index = gone;
    capture->own = true;
}

static void move_bytes(struct buf *from, struct spool *to)
{
    spool_add(to, buf_bytes(from));
    buf_clear(from);
}

void index_capture_spool(struct index_capture *capture, struct spool *pieces, struct spool *places)
{
    move_bytes(capture->messages, pieces);
    move_bytes(&capture->places, places);
}

bool index_capture_places(const struct index_capture *capture, struct buf *places)
{
    return buf_add(places, buf_bytes(&capture->places));
}
