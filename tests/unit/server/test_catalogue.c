/* What server/jetstream/catalogue.h promises. */
#include "server/jetstream/catalogue.h"
#include "tests/unit/unit.h"

struct fixture {
    struct catalogue catalogue;
    struct buf log;
};

static void begin(struct fixture *f)
{
    catalogue_init(&f->catalogue, 1);
    buf_init(&f->log, 1u << 20);
}

static void end(struct fixture *f)
{
    catalogue_deinit(&f->catalogue);
    buf_deinit(&f->log);
}

/* Applies what was written since and empties it; the outcome of the last record. */
static enum err apply(struct fixture *f)
{
    struct bytes rest = buf_bytes(&f->log);
    enum err err = OK;

    while (rest.size > 0) {
        struct record record;

        ck_assert_int_eq(record_read(rest, &record), OK);
        err = catalogue_apply(&f->catalogue, &record, NULL);
        rest = bytes_skip(rest, record.size);
    }
    buf_clear(&f->log);
    return err;
}

static void write_assign(struct fixture *f, uint64_t id, const char *json)
{
    struct catalogue_assignment assignment = {
        .id = id,
        .created_ns = 42,
        .incarnation = {7},
        .members = {.at = {{.node = 1, .incarnation = 2}, {.node = 3, .incarnation = 4}},
                    .count = 2},
        .account = BYTES("$G"),
        .json = bytes_of_text(json),
    };

    ck_assert(catalogue_write_assign(&f->log, &assignment));
}

static void assign(struct fixture *f, uint64_t id, const char *json)
{
    write_assign(f, id, json);
    ck_assert_int_eq(apply(f), OK);
}

START_TEST(an_assigned_stream_is_found_with_all_that_was_said)
{
    struct fixture f;
    struct catalogue_entry *entry;

    begin(&f);
    assign(&f, 16, "{\"name\":\"a\"}");
    entry = catalogue_find(&f.catalogue, 16);
    ck_assert_ptr_nonnull(entry);
    ck_assert_int_eq(entry->assigned.created_ns, 42);
    ck_assert_uint_eq(entry->version, 1);
    ck_assert(bytes_equal(entry->assigned.account, BYTES("$G")));
    ck_assert(bytes_equal(entry->assigned.json, BYTES("{\"name\":\"a\"}")));
    ck_assert(!entry->removed);
    ck_assert_uint_eq(entry->assigned.members.count, 2);
    ck_assert_uint_eq(entry->assigned.members.at[1].incarnation, 4);
    ck_assert_uint_eq(entry->assigned.incarnation[0], 7);
    ck_assert_ptr_eq(catalogue_named(&f.catalogue, BYTES("$G"), BYTES("a")), entry);
    ck_assert_ptr_null(catalogue_named(&f.catalogue, BYTES("other"), BYTES("a")));
    end(&f);
}
END_TEST

START_TEST(a_removed_stream_gives_its_name_free)
{
    struct fixture f;

    begin(&f);
    assign(&f, 16, "{\"name\":\"a\"}");
    ck_assert(catalogue_write_remove(&f.log, 16));
    ck_assert_int_eq(apply(&f), OK);
    ck_assert_ptr_null(catalogue_named(&f.catalogue, BYTES("$G"), BYTES("a")));
    assign(&f, 17, "{\"name\":\"a\"}");
    ck_assert_ptr_eq(catalogue_named(&f.catalogue, BYTES("$G"), BYTES("a")),
                     catalogue_find(&f.catalogue, 17));
    end(&f);
}
END_TEST

START_TEST(an_id_is_never_given_twice_even_after_its_stream_is_gone)
{
    struct fixture f;

    begin(&f);
    assign(&f, 16, "{}");
    ck_assert(catalogue_write_remove(&f.log, 16));
    ck_assert(catalogue_write_gone(&f.log, 16));
    ck_assert_int_eq(apply(&f), OK);
    ck_assert_uint_eq(f.catalogue.id_next, 17);
    write_assign(&f, 16, "{}");
    ck_assert_int_eq(apply(&f), ERR_CORRUPT);
    end(&f);
}
END_TEST

START_TEST(a_removed_stream_is_remembered_until_its_files_are_gone)
{
    struct fixture f;

    begin(&f);
    assign(&f, 16, "{}");
    assign(&f, 17, "{}");
    assign(&f, 18, "{}");
    ck_assert(catalogue_write_remove(&f.log, 17));
    ck_assert_int_eq(apply(&f), OK);
    ck_assert(catalogue_find(&f.catalogue, 17)->removed);
    ck_assert(catalogue_write_gone(&f.log, 17));
    ck_assert_int_eq(apply(&f), OK);
    ck_assert_ptr_null(catalogue_find(&f.catalogue, 17));
    ck_assert_ptr_nonnull(catalogue_find(&f.catalogue, 16));
    ck_assert_ptr_nonnull(catalogue_find(&f.catalogue, 18));
    end(&f);
}
END_TEST

START_TEST(files_are_not_declared_gone_without_a_committed_removal)
{
    struct fixture f;

    begin(&f);
    assign(&f, 16, "{}");
    ck_assert(catalogue_write_gone(&f.log, 16));
    ck_assert_int_eq(apply(&f), ERR_CORRUPT);
    ck_assert_ptr_nonnull(catalogue_find(&f.catalogue, 16));
    end(&f);
}
END_TEST

START_TEST(the_last_entry_can_go_and_new_ones_follow)
{
    struct fixture f;

    begin(&f);
    assign(&f, 16, "{}");
    ck_assert(catalogue_write_remove(&f.log, 16));
    ck_assert(catalogue_write_gone(&f.log, 16));
    ck_assert_int_eq(apply(&f), OK);
    assign(&f, 17, "{}");
    ck_assert_ptr_eq(f.catalogue.first, f.catalogue.last);
    ck_assert_uint_eq(f.catalogue.first->assigned.id, 17);
    end(&f);
}
END_TEST

START_TEST(an_update_needs_the_next_version)
{
    struct fixture f;

    begin(&f);
    assign(&f, 16, "{}");
    ck_assert(catalogue_write_update(&f.log, 16, 2, BYTES("{\"x\":1}")));
    ck_assert_int_eq(apply(&f), OK);
    ck_assert(bytes_equal(catalogue_find(&f.catalogue, 16)->assigned.json, BYTES("{\"x\":1}")));
    ck_assert(catalogue_write_update(&f.log, 16, 2, BYTES("{\"x\":2}")));
    ck_assert_int_eq(apply(&f), ERR_CORRUPT);
    ck_assert(bytes_equal(catalogue_find(&f.catalogue, 16)->assigned.json, BYTES("{\"x\":1}")));
    end(&f);
}
END_TEST

/* Cut anywhere: refused, and nothing has changed. */
START_TEST(a_short_record_is_refused_whole)
{
    struct fixture f;
    struct record record;

    begin(&f);
    write_assign(&f, 16, "{\"name\":\"abcdefgh\"}");
    ck_assert_int_eq(record_read(buf_bytes(&f.log), &record), OK);
    for (size_t cut = 0; cut + 8 < record.body.size; cut++) {
        struct record part = record;

        part.body.size = cut;
        ck_assert_int_eq(catalogue_apply(&f.catalogue, &part, NULL), ERR_CORRUPT);
        ck_assert_ptr_null(f.catalogue.first);
    }
    end(&f);
}
END_TEST

/* ---- state blocks --------------------------------------------------------------------------- */

static struct buf encoded(const struct fixture *f)
{
    struct buf out;

    buf_init(&out, 1u << 20);
    catalogue_encode(&f->catalogue, &out);
    return out;
}

START_TEST(a_block_brings_an_older_catalogue_to_what_it_says)
{
    struct fixture ahead, behind;
    struct buf block, again;

    begin(&ahead);
    begin(&behind);
    assign(&ahead, 16, "{\"name\":\"A\"}");
    assign(&ahead, 17, "{\"name\":\"B\"}");
    assign(&behind, 16, "{\"name\":\"A\"}");
    assign(&behind, 17, "{\"name\":\"B\"}");
    ck_assert(catalogue_write_update(&ahead.log, 17, 2, BYTES("{\"name\":\"B\",\"max_msgs\":3}")));
    ck_assert(catalogue_write_remove(&ahead.log, 16));
    ck_assert(catalogue_write_gone(&ahead.log, 16));
    ck_assert_int_eq(apply(&ahead), OK);
    assign(&ahead, 20, "{\"name\":\"A\"}"); /* its name is another one's now */
    block = encoded(&ahead);
    ck_assert_int_eq(catalogue_check(&behind.catalogue, buf_bytes(&block)), OK);
    ck_assert_int_eq(catalogue_decode(&behind.catalogue, buf_bytes(&block)), OK);
    ck_assert(catalogue_find(&behind.catalogue, 16)->absent);
    ck_assert(catalogue_find(&behind.catalogue, 17)->touched);
    ck_assert_uint_eq(catalogue_named(&behind.catalogue, BYTES("$G"), BYTES("A"))->assigned.id, 20);
    catalogue_drop(&behind.catalogue, catalogue_find(&behind.catalogue, 16));
    again = encoded(&behind);
    ck_assert(bytes_equal(buf_bytes(&again), buf_bytes(&block)));
    buf_deinit(&block);
    buf_deinit(&again);
    end(&ahead);
    end(&behind);
}
END_TEST

START_TEST(a_block_that_is_older_or_cut_short_changes_nothing)
{
    struct fixture f;
    struct buf older, before, after;

    begin(&f);
    assign(&f, 16, "{\"name\":\"A\"}");
    older = encoded(&f);
    assign(&f, 17, "{\"name\":\"B\"}");
    before = encoded(&f);
    ck_assert_int_eq(catalogue_decode(&f.catalogue, buf_bytes(&older)), ERR_CORRUPT);
    for (size_t size = 0; size < before.size; size += 7) {
        struct bytes cut = bytes_take(buf_bytes(&before), size);

        if (catalogue_check(&f.catalogue, cut) == OK) /* it ends behind an entry: fewer of them */
            continue;
        ck_assert_int_eq(catalogue_decode(&f.catalogue, cut), ERR_CORRUPT);
    }
    after = encoded(&f);
    ck_assert(bytes_equal(buf_bytes(&after), buf_bytes(&before)));
    buf_deinit(&older);
    buf_deinit(&before);
    buf_deinit(&after);
    end(&f);
}
END_TEST

START_TEST(who_was_removed_is_known_by_node_and_disk_and_stands_in_blocks)
{
    const struct raft_member gone = {.node = 7, .incarnation = 8};
    struct fixture f, behind;
    struct buf without, block, again;

    begin(&f);
    begin(&behind);
    assign(&f, 16, "{\"name\":\"A\"}");
    without = encoded(&f);
    ck_assert(catalogue_write_expel(&f.log, gone));
    ck_assert_int_eq(apply(&f), OK);
    ck_assert(catalogue_is_expelled(&f.catalogue, gone));
    ck_assert(
        !catalogue_is_expelled(&f.catalogue, (struct raft_member){.node = 7, .incarnation = 9}));
    block = encoded(&f);
    ck_assert_uint_eq(without.at[0], 1); /* what versions before this read */
    ck_assert_uint_eq(block.at[0], 2);
    ck_assert_int_eq(catalogue_decode(&behind.catalogue, buf_bytes(&block)), OK);
    ck_assert(catalogue_is_expelled(&behind.catalogue, gone));
    again = encoded(&behind);
    ck_assert(bytes_equal(buf_bytes(&again), buf_bytes(&block)));
    for (size_t size = 17; size < 16 + 8 + 24; size++) /* cut within the list */
        ck_assert_int_eq(catalogue_check(&f.catalogue, bytes_take(buf_bytes(&block), size)),
                         ERR_CORRUPT);
    buf_deinit(&without);
    buf_deinit(&block);
    buf_deinit(&again);
    end(&f);
    end(&behind);
}
END_TEST

START_TEST(a_removal_that_makes_no_sense_is_refused_and_the_list_is_bounded)
{
    struct fixture f;

    begin(&f);
    ck_assert(catalogue_write_expel(&f.log, (struct raft_member){.node = 0, .incarnation = 1}));
    ck_assert_int_eq(apply(&f), ERR_CORRUPT);
    for (uint64_t i = 1; i <= CATALOGUE_EXPELLED_MAX + 1; i++) {
        ck_assert(catalogue_write_expel(&f.log, (struct raft_member){.node = i, .incarnation = i}));
        ck_assert_int_eq(apply(&f), OK);
    }
    ck_assert(catalogue_write_expel(&f.log, (struct raft_member){.node = 2, .incarnation = 2}));
    ck_assert_int_eq(apply(&f), ERR_CORRUPT); /* it is known */
    ck_assert_uint_eq(f.catalogue.expelled.count, CATALOGUE_EXPELLED_MAX);
    ck_assert(
        !catalogue_is_expelled(&f.catalogue, (struct raft_member){.node = 1, .incarnation = 1}));
    ck_assert(
        catalogue_is_expelled(&f.catalogue, (struct raft_member){.node = 2, .incarnation = 2}));
    end(&f);
}
END_TEST

START_TEST(that_a_stream_had_other_members_once_stands_in_blocks)
{
    struct raft_config others = {.at = {{.node = 5, .incarnation = 6}}, .count = 1};
    struct fixture f, behind;
    struct buf block;

    begin(&f);
    begin(&behind);
    assign(&f, 16, "{\"name\":\"A\"}");
    assign(&f, 17, "{\"name\":\"B\"}");
    ck_assert(!catalogue_find(&f.catalogue, 16)->moved);
    ck_assert(catalogue_write_members(&f.log, 16, &others));
    others = catalogue_find(&f.catalogue, 16)->assigned.members; /* and back again */
    ck_assert(catalogue_write_members(&f.log, 16, &others));
    ck_assert_int_eq(apply(&f), OK);
    block = encoded(&f);
    ck_assert_int_eq(catalogue_decode(&behind.catalogue, buf_bytes(&block)), OK);
    ck_assert(catalogue_find(&behind.catalogue, 16)->moved);
    ck_assert(!catalogue_find(&behind.catalogue, 16)->removed);
    ck_assert(!catalogue_find(&behind.catalogue, 17)->moved);
    buf_deinit(&block);
    end(&f);
    end(&behind);
}
END_TEST

/* Else one that differs from all others would differ for ever. */
START_TEST(whether_a_stream_was_moved_is_what_the_newer_block_says)
{
    struct raft_config others = {.at = {{.node = 5, .incarnation = 6}}, .count = 1};
    struct fixture f, differs;
    struct buf block, again;

    begin(&f);
    begin(&differs);
    assign(&f, 16, "{\"name\":\"A\"}");
    assign(&differs, 16, "{\"name\":\"A\"}");
    ck_assert(catalogue_write_members(&differs.log, 16, &others));
    others = catalogue_find(&differs.catalogue, 16)->assigned.members;
    ck_assert(catalogue_write_members(&differs.log, 16, &others));
    ck_assert_int_eq(apply(&differs), OK);
    ck_assert(catalogue_find(&differs.catalogue, 16)->moved);
    block = encoded(&f);
    ck_assert_int_eq(catalogue_decode(&differs.catalogue, buf_bytes(&block)), OK);
    again = encoded(&differs);
    ck_assert(bytes_equal(buf_bytes(&again), buf_bytes(&block)));
    buf_deinit(&block);
    buf_deinit(&again);
    end(&f);
    end(&differs);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        an_assigned_stream_is_found_with_all_that_was_said,
        a_removed_stream_gives_its_name_free,
        an_id_is_never_given_twice_even_after_its_stream_is_gone,
        a_removed_stream_is_remembered_until_its_files_are_gone,
        files_are_not_declared_gone_without_a_committed_removal,
        the_last_entry_can_go_and_new_ones_follow,
        an_update_needs_the_next_version,
        a_short_record_is_refused_whole,
        a_block_brings_an_older_catalogue_to_what_it_says,
        a_block_that_is_older_or_cut_short_changes_nothing,
        that_a_stream_had_other_members_once_stands_in_blocks,
        whether_a_stream_was_moved_is_what_the_newer_block_says,
        who_was_removed_is_known_by_node_and_disk_and_stands_in_blocks,
        a_removal_that_makes_no_sense_is_refused_and_the_list_is_bounded,
    };

    return UNIT_RUN_PLAIN("catalogue", tests);
}
