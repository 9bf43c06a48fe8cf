#include "base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/prng.h"
#include "tests/unit/unit.h"

#define PIECES 3000u

struct piece {
    const uint8_t *at;
    uint8_t *lent; /* the same, NULL: it was put */
    size_t size;
    uint8_t fill;
};

static struct scratch *create(char directory[64])
{
    struct scratch *scratch;
    int fd;

    snprintf(directory, 64, "/tmp/test_scratch.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    fd = open(directory, O_RDONLY | O_DIRECTORY);
    scratch = scratch_create(fd);
    ck_assert_ptr_nonnull(scratch);
    close(fd);
    return scratch;
}

/* Nothing is left in the directory: the file has no name. */
static void destroy(struct scratch *scratch, const char *directory)
{
    scratch_destroy(scratch);
    ck_assert_int_eq(rmdir(directory), 0);
}

static void check(const struct piece *piece)
{
    for (size_t i = 0; i < piece->size; i += 61)
        ck_assert_uint_eq(piece->at[i], piece->fill);
    ck_assert_uint_eq(piece->at[piece->size - 1], piece->fill);
}

static void put(struct scratch *scratch, struct prng *prng, struct piece *piece)
{
    static uint8_t content[SCRATCH_PIECE_MAX];

    piece->size = 1 + prng_below(prng, SCRATCH_PIECE_MAX);
    piece->fill = (uint8_t)prng_next(prng);
    memset(content, piece->fill, piece->size);
    piece->at = scratch_put(scratch, bytes_of(content, piece->size));
    ck_assert_ptr_nonnull(piece->at);
}

static void lend(struct scratch *scratch, struct prng *prng, struct piece *piece)
{
    piece->size = 1 + prng_below(prng, SCRATCH_PIECE_MAX);
    piece->fill = (uint8_t)prng_next(prng);
    piece->at = piece->lent = scratch_lend(scratch, piece->size);
    ck_assert_ptr_nonnull(piece->lent);
    memset(piece->lent, piece->fill, piece->size);
}

/* Those that are lent change meanwhile. */
START_TEST(pieces_keep_their_content_and_give_their_space_back)
{
    struct piece *pieces = heap_take(PIECES * sizeof *pieces);
    char directory[64];
    struct scratch *scratch = create(directory);
    struct prng prng;
    uint64_t space;

    prng_seed(&prng, 3);
    for (unsigned step = 0; step < 20 * PIECES; step++) {
        struct piece *piece = &pieces[prng_below(&prng, PIECES)];

        if (piece->at != NULL) {
            check(piece);
            if (piece->lent != NULL && prng_chance(&prng, 1, 2)) {
                memset(piece->lent, ++piece->fill, piece->size);
                continue;
            }
            scratch_give(scratch, piece->at, piece->size);
            piece->at = piece->lent = NULL;
        } else if (prng_chance(&prng, 1, 2)) {
            lend(scratch, &prng, piece);
        } else {
            put(scratch, &prng, piece);
        }
    }
    space = scratch_space(scratch);
    for (unsigned i = 0; i < PIECES; i++) {
        if (pieces[i].at == NULL)
            continue;
        check(&pieces[i]);
        scratch_give(scratch, pieces[i].at, pieces[i].size);
    }
    ck_assert_uint_gt(space, PIECES / 2 * (SCRATCH_PIECE_MAX / 2));
    /* One empty chunk of each size may stay. */
    ck_assert_uint_le(scratch_space(scratch), (uint64_t)SCRATCH_PIECE_SIZES << 20);
    heap_give(pieces);
    destroy(scratch, directory);
}
END_TEST

START_TEST(the_twin_refuses_as_often_as_it_was_told)
{
    struct scratch *scratch = scratch_create_twin(1, 4);
    unsigned refused = 0;

    for (unsigned i = 0; i < 1000; i++) {
        const void *piece = scratch_put(scratch, BYTES("abc"));

        refused += piece == NULL;
        if (piece != NULL)
            scratch_give(scratch, piece, 3);
    }
    ck_assert_uint_gt(refused, 200);
    ck_assert_uint_lt(refused, 300);
    ck_assert_uint_eq(scratch_space(scratch), 0);
    scratch_destroy(scratch);
}
END_TEST

/* A file that may not grow is as a full disk. */
START_TEST(a_full_disk_is_a_refusal)
{
    char directory[64];
    struct scratch *scratch = create(directory);
    const void *piece = scratch_put(scratch, BYTES("abc"));
    static const uint8_t large[SCRATCH_PIECE_MAX];
    struct rlimit limit;

    ck_assert_ptr_nonnull(piece);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_ptr_null(scratch_put(scratch, bytes_of(large, sizeof large)));
    ck_assert_ptr_null(scratch_lend(scratch, sizeof large));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_ptr_nonnull(scratch_put(scratch, bytes_of(large, sizeof large)));
    ck_assert_ptr_nonnull(scratch_lend(scratch, sizeof large));
    ck_assert_int_eq(memcmp(piece, "abc", 3), 0);
    destroy(scratch, directory);
}
END_TEST

#define SECOND INT64_C(1000000000)

/* Whether the system has it in memory is the system's affair: both are answers. */
START_TEST(what_may_be_away_can_be_brought_and_is_known_to_be_here_for_a_moment)
{
    char directory[64];
    struct scratch *scratch = create(directory);
    static const uint8_t large[SCRATCH_PIECE_MAX] = {1, 2, 3};
    const void *piece = scratch_put(scratch, bytes_of(large, sizeof large));
    uint64_t slice, end;

    ck_assert_int_ne(scratch_here(scratch, piece, 0, sizeof large, 9 * SECOND, &slice),
                     SCRATCH_BROKEN);
    ck_assert_int_ne(scratch_here(scratch, piece, sizeof large - 1, 1, 9 * SECOND, &end),
                     SCRATCH_BROKEN);
    ck_assert_uint_eq(slice, end); /* the largest lie as slices do */
    ck_assert_int_eq(scratch_bring(scratch, slice), 0);
    scratch_brought(scratch, slice, 0, 9 * SECOND);
    ck_assert_int_eq(scratch_here(scratch, piece, 0, sizeof large, 9 * SECOND, &slice),
                     SCRATCH_HERE);
    scratch_brought(scratch, slice, -EIO, 9 * SECOND);
    ck_assert_int_eq(scratch_here(scratch, piece, 0, sizeof large, 10 * SECOND, &slice),
                     SCRATCH_BROKEN);
    ck_assert_int_ne(scratch_here(scratch, piece, 0, sizeof large, 12 * SECOND, &slice),
                     SCRATCH_BROKEN);
    ck_assert_int_eq(memcmp(piece, large, sizeof large), 0);
    destroy(scratch, directory);
}
END_TEST

/* What a simulation does must not hang on which memory the allocator gives it. */
START_TEST(what_the_twin_brought_of_a_piece_that_is_gone_is_not_the_next_piece)
{
    struct scratch *scratch = scratch_create_twin(1, 0);
    const void *piece = scratch_put(scratch, BYTES("abc"));
    uint64_t slice, next;

    scratch_twin_forgets(scratch, 1, 0);
    ck_assert_int_eq(scratch_here(scratch, piece, 0, 3, SECOND, &slice), SCRATCH_AWAY);
    scratch_give(scratch, piece, 3);
    piece = scratch_put(scratch, BYTES("xyz")); /* most likely where the other was */
    scratch_brought(scratch, slice, scratch_bring(scratch, slice), SECOND);
    ck_assert_int_eq(scratch_here(scratch, piece, 0, 3, SECOND, &next), SCRATCH_AWAY);
    ck_assert_uint_ne(next, slice);
    scratch_brought(scratch, next, scratch_bring(scratch, next), SECOND);
    ck_assert_int_eq(scratch_here(scratch, piece, 0, 3, SECOND, &next), SCRATCH_HERE);
    scratch_give(scratch, piece, 3);
    scratch_destroy(scratch);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        pieces_keep_their_content_and_give_their_space_back,
        the_twin_refuses_as_often_as_it_was_told,
        what_the_twin_brought_of_a_piece_that_is_gone_is_not_the_next_piece,
        a_full_disk_is_a_refusal,
        what_may_be_away_can_be_brought_and_is_known_to_be_here_for_a_moment,
    };

    return UNIT_RUN_PLAIN("scratch", tests);
}
