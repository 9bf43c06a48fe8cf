/* The background check's step; what it finds is in tests/e2e and in the simulations. */
#include "server/stream/scrub.h"

#include "base/heap.h"
#include "tests/unit/unit.h"

static void never(void *owner, uint64_t bytes, bool end)
{
    (void)owner, (void)bytes, (void)end;
    ck_abort_msg("nothing was begun");
}

/* The disk writes there until the read has come back. */
START_TEST(what_is_being_read_keeps_its_memory)
{
    struct scrub *scrub = scrub_create(never, NULL);

    scrub->memory = heap_take(SCRUB_PIECE);
    scrub->capacity = SCRUB_PIECE;
    scrub->reading = true;
    scrub_destroy(scrub);
    ck_assert(scrub->ended);
    memset(scrub->memory, 1, SCRUB_PIECE);
    scrub->reading = false;
    scrub_destroy(scrub);
}
END_TEST

START_TEST(it_begins_with_the_first_message)
{
    struct scrub *scrub = scrub_create(never, NULL);

    ck_assert_uint_eq(scrub->sequence, 1);
    scrub_destroy(scrub);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {what_is_being_read_keeps_its_memory, it_begins_with_the_first_message};

    return UNIT_RUN_PLAIN("scrub", tests);
}
