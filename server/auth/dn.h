/* dn: distinguished names as text: "CN=x,OU=y". */
#ifndef SERVER_AUTH_DN_H
#define SERVER_AUTH_DN_H

#include "base/bytes.h"

#define DN_PARTS_MAX 32u

/* The same parts, in any order, blanks around them or not? False when either is no such name. */
bool dn_equal(struct bytes a, struct bytes b);

#endif
