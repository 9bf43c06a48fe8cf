/* host: how large the name of a machine may be. */
#ifndef BASE_HOST_H
#define BASE_HOST_H

#define HOST_SIZE 256u /* a name of the domain name system, with its zero */

#endif
