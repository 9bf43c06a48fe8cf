/* cores: how many processors this process may use. */
#ifndef SERVER_PROGRAM_CORES_H
#define SERVER_PROGRAM_CORES_H

#include "base/bytes.h"

/* At least 1: those that it is allowed to run on, and no more than what its control groups let it
 * use of time, rounded up. */
unsigned program_cores(void);

/* What cpu.max of a control group says: "max 100000" or "150000 100000". 0: no limit. */
unsigned program_cores_of_quota(struct bytes text);

#endif
