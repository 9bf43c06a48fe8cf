#include "server/program/backup_walk.h"

static void lose(struct backup_walk *walk, uint64_t first, uint64_t last)
{
    if (walk->lost_first == 0)
        walk->lost_first = first;
    walk->lost_last = last;
}

/* No expected batch stands there. False: the file ends. */
static bool over_gap(struct backup_walk *walk, struct bytes file, struct segment_place *place)
{
    struct bytes rest = bytes_skip(file, (size_t)place->position);
    struct segment_gap gap = segment_judge(rest, place);

    if (gap.tail == SEGMENT_DAMAGED)
        lose(walk, place->index, place->index);
    if (gap.tail == SEGMENT_DAMAGED && gap.resume > place->position) {
        /* As a recovery goes on behind an envelope that is sound. */
        place->position = gap.resume;
        place->previous = gap.hash;
        place->index++;
        return true;
    }
    if (gap.tail != SEGMENT_RESUMES || gap.resume <= place->position)
        return false;
    lose(walk, place->index, gap.resume_index > place->index ? gap.resume_index - 1 : place->index);
    place->position = gap.resume;
    place->index = gap.resume_index;
    place->previous = gap.resume_previous;
    return true;
}

static void count(struct backup_walk *walk, const struct segment_batch *batch)
{
    if (walk->first == 0)
        walk->first = batch->view.index;
    walk->index = batch->view.index;
    walk->hash = batch->view.hash;
    walk->term = batch->view.term;
    walk->time_ns = batch->view.time_ns;
    if (walk->batch != NULL)
        walk->batch(walk->owner, batch);
}

void backup_walk(struct backup_walk *walk, struct bytes file, const struct segment_header *header,
                 struct backup_limit limit)
{
    struct segment_place place = {
        .file_id = header->file_id,
        .position = SEGMENT_HEADER,
        .incarnation = header->incarnation,
        .index = header->base + 1,
        .previous = header->base_hash,
        .index_cut = limit.index,
    };

    *walk = (struct backup_walk){
        .batch = walk->batch,
        .owner = walk->owner,
        .index = header->base,
        .hash = header->base_hash,
        .time_ns = INT64_MIN,
        .end = SEGMENT_HEADER,
    };
    while (place.index <= limit.index && place.position < file.size) {
        struct segment_batch batch;
        uint32_t size;

        if (segment_batch_read(bytes_skip(file, (size_t)place.position), &place, &batch, &size) !=
            OK) {
            if (!over_gap(walk, file, &place))
                break;
            continue;
        }
        if (batch.view.time_ns > limit.time_ns) {
            walk->stopped = true;
            return;
        }
        count(walk, &batch);
        place.index++;
        place.previous = batch.view.hash;
        place.position += batch.size;
        walk->end = place.position;
    }
    if (limit.index != UINT64_MAX && limit.index >= place.index)
        lose(walk, place.index, limit.index);
}
