/* conn_parts: what the files of conn share. */
#ifndef CLI_CONN_PARTS_H
#define CLI_CONN_PARTS_H

#include "cli/conn.h"

#define CONN_BUFFER_MAX (size_t)(256 * 1024 * 1024)

struct stash {
    struct stash *next;
    struct msg msg;
    uint8_t bytes[];
};

[[gnu::format(printf, 3, 4)]] enum conn_verdict conn_failed(struct conn *conn,
                                                            enum conn_verdict verdict,
                                                            const char *format, ...);

/* Moves bytes: sends what may go, reads what is there, waits until `until` for either. CONN_OK:
 * something moved. */
enum conn_verdict conn_turn(struct conn *conn, int64_t until, bool read_wanted);
/* Sends plain `out`, all of it. */
enum conn_verdict conn_drain(struct conn *conn, int64_t until);

enum frame_kind { FRAME_MSG, FRAME_PING, FRAME_PONG, FRAME_OK, FRAME_ERR, FRAME_INFO };

struct frame {
    enum frame_kind kind;
    struct msg msg;
    struct bytes text; /* of an error or INFO */
    size_t size;
};

/* The first frame of `in`. CONN_TIMEOUT: not whole yet (of a message whose line is there the frame
 * tells kind and sizes, otherwise its size is 0); CONN_LOST: no frame at all. */
enum conn_verdict conn_read_frame(struct bytes in, struct frame *frame);

/* A message that `in` holds the begin of. False: it is not read into its receiver's memory. */
bool conn_large_begin(struct conn *conn, struct bytes in, const struct frame *frame);
/* As recv: more of it. */
ssize_t conn_large_receive(struct conn *conn);
/* As conn_read_frame, when one is on its way: `in` is what is behind its payload. */
enum conn_verdict conn_large_end(const struct conn *conn, struct bytes in, struct frame *frame);

/* Reads what INFO says into the conn. False: no JSON. */
bool conn_read_info(struct conn *conn, struct bytes text);

#endif
