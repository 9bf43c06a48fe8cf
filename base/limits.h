/*
 * limits: every bound that more than one module relies on, in one place, with what follows from it
 * checked by the compiler. What an operator may change is a default here; what formats and memory
 * depend on is a maximum. Bounds of one module alone stand in its header (JSON: json.h).
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <assert.h>
#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)

/* ---- client protocol: defaults of options ---------------------------------------------------- */

#define MAX_PAYLOAD_DEFAULT      (1 * MIB)  /* headers and body of one message */
#define MAX_PENDING_DEFAULT      (64 * MIB) /* outbound bytes that wait for one connection */
#define MAX_CONTROL_LINE_DEFAULT (4 * KIB)  /* a protocol line without its CR LF */
#define MAX_CONNECTIONS_DEFAULT  UINT64_C(65536)

/* ---- client protocol: maxima ----------------------------------------------------------------- */

#define MAX_PAYLOAD_MAX      (64 * MIB) /* what the option may be raised to */
#define MAX_CONTROL_LINE_MAX (1 * MIB)  /* a CONNECT with a large token needs this */

/*
 * A subject arrives in a control line, which bounds it on the wire; what a record has room for is
 * server/stream/effect.h's. This is for subjects that the server makes, and for keys of buckets.
 */
#define SUBJECT_SIZE_MAX   UINT64_C(4096)
#define SUBJECT_TOKENS_MAX 256u /* of what anyone may subscribe with or configure */

/* ---- JetStream names ------------------------------------------------------------------------ */

#define NAME_SIZE_MAX   UINT64_C(255) /* of a stream or consumer */
#define DOMAIN_SIZE_MAX 255u          /* the reference knows no bound */
#define REPLICAS_MAX    5u

/* ---- log ------------------------------------------------------------------------------------- */

#define LOG_LINE_MAX 16384u /* one line, its line end included */

/* ---- what follows ---------------------------------------------------------------------------- */

static_assert(MAX_PAYLOAD_DEFAULT <= MAX_PAYLOAD_MAX, "a default is allowed");
static_assert(MAX_CONTROL_LINE_DEFAULT <= MAX_CONTROL_LINE_MAX, "a default is allowed");
static_assert(MAX_PAYLOAD_DEFAULT <= MAX_PENDING_DEFAULT, "one message fits a connection's output");
static_assert(MAX_PAYLOAD_MAX <= INT32_MAX, "sizes in the protocol are 31 bits");
static_assert(MAX_CONTROL_LINE_DEFAULT * 3 < LOG_LINE_MAX,
              "most control lines can be traced whole");
static_assert(DOMAIN_SIZE_MAX + 2 * NAME_SIZE_MAX < SUBJECT_SIZE_MAX / 2,
              "names fit the subjects that are made of them");

#endif
