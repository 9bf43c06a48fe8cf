/*
 * flaws: seeded bugs of the consumer machine, one line each where they apply, that tests and
 * simulator must find (consumer_stream.flaws; 0 in real life). F numbers are rows of the list of
 * interleavings that break a naive design; docs/testing.md has it.
 */
#ifndef CONSUMERS_FLAWS_H
#define CONSUMERS_FLAWS_H

#define CONSUMER_FLAW_TABLE(X)                                                                     \
    X(DELIVER_AT_PROPOSAL, "a message leaves when its hand-out is proposed (F7)")                  \
    X(POSITION_UNLOGGED, "a durable consumer without acks does not log where it is (F11)")         \
    X(START_AT_LEAD, "a start is resolved when a leader first looks, not in apply (F12)")          \
    X(UNSENT_WAITED, "a wait for an ack ends although the message has not left (F7)")

#define CONSUMER_FLAW_NUMBER(name, text) CONSUMER_FLAW_NUMBER_##name,
enum consumer_flaw_number { CONSUMER_FLAW_TABLE(CONSUMER_FLAW_NUMBER) CONSUMER_FLAW_COUNT };
#undef CONSUMER_FLAW_NUMBER

#define CONSUMER_FLAW_BIT(name, text) CONSUMER_FLAW_##name = 1u << CONSUMER_FLAW_NUMBER_##name,
enum consumer_flaw { CONSUMER_FLAW_TABLE(CONSUMER_FLAW_BIT) };
#undef CONSUMER_FLAW_BIT

#endif
