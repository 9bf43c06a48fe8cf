/*
 * names: the subjects, ids and sizes that the load generator uses and the floor may rely on.
 *
 * A real server knows none of them. The floor does, because it need not be general: it must only be
 * the least work that could have given the load generator the same answers.
 */
#ifndef BENCH_NAMES_H
#define BENCH_NAMES_H

#define STREAM_NAME     "BENCH"
#define CONSUMER_NAME   "bench"
#define SUBJECT_PUB     "bench.pub"
#define SUBJECT_FAN     "bench.fan"
#define SUBJECT_REQUEST "bench.req"
#define SUBJECT_JS      "bench.js"
#define SUBJECT_KV      "bench.kv."   /* + key number */
#define SUBJECT_SUBS    "bench.subs." /* + connection number + "." + subscription number */
#define INBOX           "_INBOX.bench."
#define INBOX_API       INBOX "api"
#define SUBJECT_DELIVER "_INBOX.deliver"
#define API             "$JS.API."
#define ACK_PREFIX      "$JS.ACK."
#define DIRECT_GET      API "DIRECT.GET." STREAM_NAME "."
#define MSG_NEXT        API "CONSUMER.MSG.NEXT." STREAM_NAME "." CONSUMER_NAME

#define SID_INBOX   1u
#define SID_DELIVER 2u

/* Largest message the programs handle, and the largest line (an INFO) before it. */
#define PAYLOAD_SIZE_MAX 65536u
#define LINE_SIZE_MAX    8192u

#endif
