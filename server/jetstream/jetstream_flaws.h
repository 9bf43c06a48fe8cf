/*
 * jetstream_flaws: seeded bugs of a clustered JetStream's shell (options.sim.jetstream_flaws), one
 * line each where they apply, that the simulation of a cluster must find.
 */
#ifndef SERVER_JETSTREAM_JETSTREAM_FLAWS_H
#define SERVER_JETSTREAM_JETSTREAM_FLAWS_H

#define JETSTREAM_FLAW_TABLE(X)                                                                    \
    X(ANSWER_UNCOMMITTED, "a publish is acknowledged when it is decided")                          \
    X(PARKED_TOLD, "what is parked when leadership is gone is answered all the same")              \
    X(OVERLAY_KEPT, "what was decided and lost with leadership stays in the overlay")              \
    X(LOOK_AT_ONCE, "what says how things are leaves without a confirmed read")                    \
    X(API_AT_ONCE, "an API request is answered without a confirmed read")                          \
    X(FORWARD_TWICE, "a publish is sent to its leader, and again when the leader is asked for")    \
    X(FORWARD_AND_KEEP, "what waits at a leader that is replaced goes to the next, and stays")     \
    X(OLD_LEADER_BELIEVED, "who says that he leads is believed, whatever the term")                \
    X(LEADER_TERM_HEARD, "who leads says so with the newest term that it has heard of")            \
    X(QUARANTINE_EARLY, "logs are set aside before the catalogue's end is known")                  \
    X(LEADER_NOT_ASKED, "a node that learns of a stream does not ask who leads it")                \
    X(CONFIG_TAKEN_BACK,                                                                           \
      "a leader whose catalogue is behind logs the config before the last (F10)")                  \
    X(DUTY_FORGOTTEN, "a new leader does not look for the config that is still to be logged (F9)") \
    X(WAIT_UNTRIED, "what waits behind others for a leader is not refused in time")                \
    X(REMOVED_WELCOME, "a server that was removed is let in again when it comes back")             \
    X(MADE_EARLY, "a log that was given up is made anew before the catalogue's end is known")      \
    X(BEGUN_TWICE, "who has given up its replica and comes back begins its group once more")       \
    X(REMOVED_AWAITED, "what a removed server held is not placed elsewhere")                       \
    X(UNWISHED_CLOSED, "a log whose group counts on it and that is wished elsewhere stays closed") \
    X(WELL_EARLY, "a server calls itself well while nobody counts on it yet")                      \
    X(SURVEY_CUT_SHORT, "a stream begins afresh before all have said what they have left of it")   \
    X(LANE_BY_NUMBER, "a log is looked for in the lane that a new one would go to")

#define JETSTREAM_FLAW_NUMBER(name, text) JETSTREAM_FLAW_NUMBER_##name,
enum jetstream_flaw_number { JETSTREAM_FLAW_TABLE(JETSTREAM_FLAW_NUMBER) JETSTREAM_FLAW_COUNT };
#undef JETSTREAM_FLAW_NUMBER

#define JETSTREAM_FLAW_BIT(name, text) JETSTREAM_FLAW_##name = 1u << JETSTREAM_FLAW_NUMBER_##name,
enum jetstream_flaw { JETSTREAM_FLAW_TABLE(JETSTREAM_FLAW_BIT) };
#undef JETSTREAM_FLAW_BIT

#endif
