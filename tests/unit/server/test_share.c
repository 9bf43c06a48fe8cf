/* Who may import what, and what subjects become on the way; mappings of what is published. */
#include "server/router/mappings.h"
#include "server/router/share.h"
#include "tests/unit/unit.h"

static struct arena arena;

/* What the import makes of a subject; empty: it is not taken. */
static struct bytes through(const struct import_options *import, const char *subject)
{
    struct subject_transform_error error = {""};
    struct subject_transform transform;
    struct bytes made;
    struct prng prng;
    struct buf out;

    prng_seed(&prng, 1);
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 16);
    ck_assert_msg(share_compile(import, &transform, &arena, &error), "%s", error.text);
    if (subject_transform_matches(&transform, bytes_of_text(subject)))
        ck_assert(subject_transform_apply(&transform, bytes_of_text(subject), &prng, &out));
    made = arena_copy(&arena, buf_bytes(&out));
    buf_deinit(&out);
    return made;
}

static void ck_assert_through(enum share_kind kind, const char *subject, const char *prefix,
                              const char *to, const char *from, const char *becomes)
{
    const struct import_options import = {
        .kind = kind,
        .subject = bytes_of_text(subject),
        .prefix = bytes_of_text(prefix),
        .to = bytes_of_text(to),
    };
    struct bytes made = through(&import, from);

    ck_assert_msg(bytes_equal(made, bytes_of_text(becomes)), "%s of %s: %.*s, not %s", from,
                  subject, BYTES_ARG(made), becomes);
    arena_deinit(&arena);
}

START_TEST(a_stream_comes_under_its_prefix_or_as_it_is_told_to)
{
    ck_assert_through(SHARE_STREAM, "s.>", "", "", "s.a.b", "s.a.b");
    ck_assert_through(SHARE_STREAM, "s.>", "p", "", "s.a.b", "p.s.a.b");
    ck_assert_through(SHARE_STREAM, "s.>", "p.q.", "", "s.a", "p.q.s.a");
    ck_assert_through(SHARE_STREAM, "s.*.x.*", "p", "", "s.1.x.2", "p.s.1.x.2");
    ck_assert_through(SHARE_STREAM, "s.*.*", "", "t.$2.$1", "s.1.2", "t.2.1");
    ck_assert_through(SHARE_STREAM, "s.*.*", "", "t.{{wildcard(2)}}.$1", "s.1.2", "t.2.1");
    ck_assert_through(SHARE_STREAM, "s.*", "", "t.*", "s.1", "t.1");
    ck_assert_through(SHARE_STREAM, "s.*.x.*", "", "t.*.*", "s.1.x.2", "t.1.2");
    ck_assert_through(SHARE_STREAM, "s.*.>", "", "s.*.>", "s.1.2.3", "s.1.2.3");
    ck_assert_through(SHARE_STREAM, "$E.*.>", "", "$E.*.of.a.>", "$E.1.2.3", "$E.1.of.a.2.3");
    ck_assert_through(SHARE_STREAM, "s.*", "p", "", "t.1", "");
}
END_TEST

START_TEST(a_request_finds_the_wildcards_of_the_service)
{
    ck_assert_through(SHARE_SERVICE, "s", "", "", "s", "s");
    ck_assert_through(SHARE_SERVICE, "s", "", "local.help", "local.help", "s");
    ck_assert_through(SHARE_SERVICE, "s", "", "local.help", "s", "");
    ck_assert_through(SHARE_SERVICE, "s.*.x", "", "q.*", "q.1", "s.1.x");
    ck_assert_through(SHARE_SERVICE, "s.*.*", "", "q.$2.$1", "q.2.1", "s.1.2");
    ck_assert_through(SHARE_SERVICE, "s.*.*", "", "q.$2.*", "q.1.2", "s.2.1");
    ck_assert_through(SHARE_SERVICE, "s.*.*", "", "q.{{wildcard(2)}}.{{Wildcard( 1 )}}", "q.2.1",
                      "s.1.2");
    ck_assert_through(SHARE_SERVICE, "s.*.*.*", "", "q.$3.x.$1.$2", "q.c.x.a.b", "s.a.b.c");
    ck_assert_through(SHARE_SERVICE, "$JS.API.>", "", "JS.acc.API.>", "JS.acc.API.STREAM.INFO.S",
                      "$JS.API.STREAM.INFO.S");
}
END_TEST

/* Three exports: a public stream, a service for B alone, one whose second token is the importer. */
static struct account_options exporter(void)
{
    static struct bytes only_b[1];
    static struct export_options exports[3];

    only_b[0] = BYTES("B");
    exports[0] = (struct export_options){.kind = SHARE_STREAM, .subject = BYTES("open.>")};
    exports[1] = (struct export_options){.kind = SHARE_SERVICE,
                                         .subject = BYTES("private.*"),
                                         .restricted = true,
                                         .accounts = only_b,
                                         .accounts_count = 1};
    exports[2] = (struct export_options){
        .kind = SHARE_SERVICE, .subject = BYTES("named.*.x"), .token_position = 2};
    return (struct account_options){.name = BYTES("A"), .exports = {exports, 3}};
}

static bool may(enum share_kind kind, const char *subject, const char *importer)
{
    const struct account_options from = exporter();
    const struct import_options import = {.kind = kind, .subject = bytes_of_text(subject)};

    return share_export(&from, &import, bytes_of_text(importer)) != NULL;
}

START_TEST(only_what_is_exported_to_an_account_can_be_imported_by_it)
{
    ck_assert(may(SHARE_STREAM, "open.a", "C"));
    ck_assert(may(SHARE_STREAM, "open.*.b", "C"));
    ck_assert(may(SHARE_STREAM, "open.>", "C"));
    ck_assert(!may(SHARE_STREAM, ">", "C"));
    ck_assert(!may(SHARE_STREAM, "open", "C"));
    ck_assert(!may(SHARE_SERVICE, "open.a", "C"));
    ck_assert(may(SHARE_SERVICE, "private.a", "B"));
    ck_assert(!may(SHARE_SERVICE, "private.a", "C"));
    ck_assert(!may(SHARE_STREAM, "private.a", "B"));
    ck_assert(!may(SHARE_SERVICE, "private.>", "B"));
    ck_assert(may(SHARE_SERVICE, "named.C.x", "C"));
    ck_assert(!may(SHARE_SERVICE, "named.C.x", "B"));
    ck_assert(!may(SHARE_SERVICE, "named.*.x", "C"));
}
END_TEST

START_TEST(a_restricted_export_that_names_nobody_is_for_nobody)
{
    struct export_options export = {
        .kind = SHARE_STREAM, .subject = BYTES("s"), .restricted = true};
    const struct account_options from = {.exports = {&export, 1}};
    const struct import_options import = {.kind = SHARE_STREAM, .subject = BYTES("s")};

    ck_assert_ptr_null(share_export(&from, &import, BYTES("B")));
}
END_TEST

START_TEST(an_import_that_loses_wildcards_is_refused_with_a_reason)
{
    const struct import_options import = {
        .kind = SHARE_STREAM, .subject = BYTES("s.*.*"), .to = BYTES("t.$1")};
    struct subject_transform_error error = {""};

    ck_assert(!share_import_valid(&import, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "s.*.*"));
}
END_TEST

/* ---- mappings ------------------------------------------------------------------------------- */

/* How often each came of `count` tries, in percent. */
struct tally {
    unsigned same, other, lost;
    struct bytes last;
};

static struct tally apply(const struct mapping_list *list, const char *cluster, const char *subject,
                          unsigned count)
{
    struct mappings *mappings = mappings_create(list, bytes_of_text(cluster));
    struct tally tally = {0};
    struct prng prng;
    struct buf out;

    prng_seed(&prng, 7);
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 16);
    for (unsigned i = 0; i < count; i++) {
        buf_clear(&out);
        switch (mappings_apply(mappings, bytes_of_text(subject), &prng, &out)) {
        case MAPPED_SAME: tally.same++; break;
        case MAPPED_LOST: tally.lost++; break;
        case MAPPED_OTHER:
            tally.other++;
            tally.last = arena_copy(&arena, buf_bytes(&out));
            break;
        }
    }
    buf_deinit(&out);
    mappings_destroy(mappings);
    return tally;
}

START_TEST(the_first_mapping_that_matches_counts_once)
{
    struct mapping_destination first = {.subject = BYTES("b.$1"), .weight = 100};
    struct mapping_destination second = {.subject = BYTES("c"), .weight = 100};
    struct mapping_options mappings[] = {{BYTES("a.*"), &first, 1}, {BYTES("a.x"), &second, 1}};
    const struct mapping_list list = {mappings, 2};
    struct tally tally = apply(&list, "", "a.x", 100);

    ck_assert_uint_eq(tally.other, 100);
    ck_assert(bytes_equal(tally.last, BYTES("b.x")));
    arena_deinit(&arena);
    ck_assert_uint_eq(apply(&list, "", "b.x", 100).same, 100);
    arena_deinit(&arena);
}
END_TEST

START_TEST(what_no_destination_takes_stays_or_is_lost)
{
    struct mapping_destination part = {.subject = BYTES("b"), .weight = 40};
    struct mapping_destination both[] = {{.subject = BYTES("b"), .weight = 40},
                                         {.subject = BYTES("a"), .weight = 10}};
    struct mapping_options stays = {BYTES("a"), &part, 1}, loses = {BYTES("a"), both, 2};
    struct tally tally = apply(&(struct mapping_list){&stays, 1}, "", "a", 10000);

    ck_assert_uint_gt(tally.other, 3700);
    ck_assert_uint_lt(tally.other, 4300);
    ck_assert_uint_eq(tally.other + tally.same, 10000);
    arena_deinit(&arena);
    tally = apply(&(struct mapping_list){&loses, 1}, "", "a", 10000);
    ck_assert_uint_gt(tally.lost, 4700);
    ck_assert_uint_lt(tally.lost, 5300);
    ck_assert_uint_eq(tally.same, 0);
    arena_deinit(&arena);
}
END_TEST

START_TEST(destinations_of_this_cluster_take_the_place_of_the_others)
{
    struct mapping_destination at[] = {{BYTES("here"), 100, BYTES("C")},
                                       {BYTES("there"), 100, BYTES("")}};
    struct mapping_options mapping = {BYTES("a"), at, 2};
    const struct mapping_list list = {&mapping, 1};

    ck_assert(bytes_equal(apply(&list, "C", "a", 10).last, BYTES("here")));
    arena_deinit(&arena);
    ck_assert(bytes_equal(apply(&list, "D", "a", 10).last, BYTES("there")));
    arena_deinit(&arena);
    ck_assert(bytes_equal(apply(&list, "", "a", 10).last, BYTES("there")));
    arena_deinit(&arena);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        a_stream_comes_under_its_prefix_or_as_it_is_told_to,
        a_request_finds_the_wildcards_of_the_service,
        only_what_is_exported_to_an_account_can_be_imported_by_it,
        a_restricted_export_that_names_nobody_is_for_nobody,
        an_import_that_loses_wildcards_is_refused_with_a_reason,
        the_first_mapping_that_matches_counts_once,
        what_no_destination_takes_stays_or_is_lost,
        destinations_of_this_cluster_take_the_place_of_the_others,
    };

    return UNIT_RUN_PLAIN("share", tests);
}
