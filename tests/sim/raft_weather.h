/*
 * raft_weather: what happens to the nodes of a raft_world: crashes, pauses, cut links, slow and
 * refusing disks, damage, lost disks, new members. Bad enough to find what is wrong, and never so
 * bad that what was acknowledged may be lost: no config that is in force anywhere, or may come to
 * be, has half of its voters without what they had.
 */
#ifndef TESTS_SIM_RAFT_WEATHER_H
#define TESTS_SIM_RAFT_WEATHER_H

#include "tests/sim/raft_world.h"

#define RECENT_MAX 8u

/* Chances in ten thousand, of each node each turn. */
struct plan {
    uint32_t crash, start, pause, part, heal, slow, stuck, wipe, damage, admin, transfer, read,
        propose, floor, weather, strike;
    bool part_leader;
};

struct season {
    struct world *world;
    struct plan plan;
    struct {
        uint16_t config;
        int64_t until; /* messages that hold it may be under way */
    } recent[RECENT_MAX];
    uint32_t recent_next;
};

void season_begin(struct season *season, struct world *world); /* draws the plan */
void season_turn(struct season *season, int64_t length);
void season_calm_turn(struct season *season, int64_t length);
void season_heal(struct season *season); /* a minority may stay down */

/* Whether all configs bear it that these nodes (bits by place) fail, beside those that have. */
bool season_bears(const struct season *season, uint32_t failing);
/* A member whose disk is not what it was: wiped (another incarnation runs there) or damaged. */
bool season_faulty(const struct season *season, struct raft_member member);

#endif
