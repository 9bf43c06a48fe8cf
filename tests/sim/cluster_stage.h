/*
 * cluster_stage: where the scenes of a cluster are played, and what they have in common: time that
 * goes by while users look after their connections, users that go where they are sent.
 */
#ifndef TESTS_SIM_CLUSTER_STAGE_H
#define TESTS_SIM_CLUSTER_STAGE_H

#include "tests/sim/cluster_faults.h"
#include "tests/sim/cluster_user.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)

struct stage {
    struct report *report;
    struct sim *sim;
    struct nodes *nodes;
    struct truth *truth;
    struct faults *faults;
    struct scene *scene;
    struct prng *prng;
    struct user *users;
    unsigned user_count;                     /* at least two */
    void (*pass)(void *context, int64_t ns); /* time goes by */
    void *context;
};

int64_t stage_now(const struct stage *stage);
void stage_pass(const struct stage *stage, int64_t ns);
bool stage_ready(const struct user *user);
bool stage_wait_ready(const struct stage *stage, const struct user *user, int64_t most_ns);
bool stage_go_to(const struct stage *stage, struct user *user, size_t node);
void stage_publish_for(const struct stage *stage, struct user *user, int64_t ns);
size_t stage_other_than(const struct stage *stage, size_t node);
/* From all others, both ways. */
void stage_cut_off(const struct stage *stage, size_t node, bool off);
/* Nothing is wrong with network, disks and nodes: whoever is asked has to see to it. */
void stage_must_serve(const struct stage *stage, struct user *user);
/* What a server says is wrong with it; NULL: all are there, and call themselves well. */
const char *stage_not_well(const struct stage *stage);
/* Everybody has everything, and all voters are there. */
bool stage_is_level(const struct stage *stage, int64_t most_ns);

/* cluster_gone.c: a scene of its own. */
void play_gone(const struct stage *stage);
/* cluster_forged.c: that node, which is none of the cluster's any more, says what no server says.
 */
void forged_by(const struct stage *stage, size_t node);
/* cluster_left.c */
void play_left(const struct stage *stage);
/* cluster_empty.c */
void play_empty(const struct stage *stage);
/* cluster_short.c */
void play_again(const struct stage *stage);
/* cluster_swapped.c */
void play_swapped(const struct stage *stage);
/* cluster_erase.c */
void play_erase(const struct stage *stage);
/* cluster_ranges.c */
void play_ranges(const struct stage *stage);
/* What is damaged on that node comes back from the others. */
void ranges_must_heal(const struct stage *stage, size_t node);
/* cluster_move.c */
void move_prepare(struct nodes *nodes);
/* `spares`: what is in memory is never lost. */
void play_move(const struct stage *stage, bool spares);

#endif
