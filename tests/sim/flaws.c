#include "tests/sim/flaws.h"

#include "server/stream/flaws.h"
#include "storage/flaws.h"

#define STORE_FLAW(name, text)  {"store " #name, FLAW_##name, 0},
#define STREAM_FLAW(name, text) {"stream " #name, 0, STREAM_FLAW_##name},

const struct sim_flaws sim_flaws[] = {FLAW_TABLE(STORE_FLAW) STREAM_FLAW_TABLE(STREAM_FLAW)};
const size_t sim_flaw_count = sizeof sim_flaws / sizeof sim_flaws[0];
