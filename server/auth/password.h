/* password: is what a client says what was configured? */
#ifndef SERVER_AUTH_PASSWORD_H
#define SERVER_AUTH_PASSWORD_H

#include "base/bytes.h"

/* Was it made by bcrypt? Then to compare takes a tenth of a second and more: on a worker. */
bool password_is_hash(struct bytes configured);
/* A plain one; takes the same time wherever they differ. */
bool password_equal(struct bytes configured, struct bytes said);
/* A hash. Slow. */
bool password_proves(struct bytes hash, struct bytes said);

#endif
