/* headers: looking into a header block that came from a client. Pure. */
#ifndef CONSUMERS_HEADERS_H
#define CONSUMERS_HEADERS_H

#include "base/bytes.h"

/* The value of the first header of that name, blanks around it cut; false: there is none. */
bool headers_find(struct bytes headers, struct bytes name, struct bytes *value);

#endif
