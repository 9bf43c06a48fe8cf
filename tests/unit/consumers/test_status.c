#include "consumers/status.h"
#include "tests/unit/unit.h"

#define IS(out, text)                                                                              \
    do {                                                                                           \
        ck_assert_uint_eq((out)->size, sizeof("NATS/1.0 " text "\r\n\r\n") - 1);                   \
        ck_assert_mem_eq((out)->at, "NATS/1.0 " text "\r\n\r\n", (out)->size);                     \
    } while (0)

static struct buf out;

START_TEST(texts_are_the_references_byte_by_byte)
{
    status_write(&out, STATUS_PUSH_BASED, 1, 2);
    IS(&out, "409 Consumer is push based");
    status_write(&out, STATUS_API_LEVEL, 1, 2);
    IS(&out, "412 Required Api Level");
    status_write(&out, STATUS_HEARTBEAT_TOO_LARGE, 1, 2);
    IS(&out, "400 Bad Request - heartbeat value too large");
    status_write(&out, STATUS_NOT_OVERFLOW, 1, 2);
    IS(&out, "400 Bad Request - Not a Overflow Priority consumer");
    status_write(&out, STATUS_NOT_PINNED, 1, 2);
    IS(&out, "400 Bad Request - Not a Pinned Client Priority consumer");
    status_write(&out, STATUS_BAD_PRIORITY, 1, 2);
    IS(&out, "400 Bad Request - Priority must be between 0 and 9");
    status_write(&out, STATUS_NO_MESSAGES, 1, 2);
    IS(&out, "404 No Messages");
    status_write(&out, STATUS_REQUESTS_PENDING, 1, 2);
    IS(&out, "408 Requests Pending");
    status_write(&out, STATUS_MAX_WAITING, 1, 2);
    IS(&out, "409 Exceeded MaxWaiting");
    status_write(&out, STATUS_CONSUMER_DELETED, 1, 2);
    IS(&out, "409 Consumer Deleted");
}
END_TEST

START_TEST(ends_of_a_request_tell_what_was_left_of_it)
{
    status_write(&out, STATUS_TIMEOUT, 3, 0);
    IS(&out, "408 Request Timeout\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: 0");
    status_write(&out, STATUS_BYTES_EXCEEDED, 3, UINT64_MAX);
    IS(&out, "409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 3\r\n"
             "Nats-Pending-Bytes: 18446744073709551615");
    status_write(&out, STATUS_BATCH_COMPLETED, 0, 7);
    IS(&out, "409 Batch Completed\r\nNats-Pending-Messages: 0\r\nNats-Pending-Bytes: 7");
}
END_TEST

START_TEST(limits_are_named)
{
    status_max_batch(&out, 10);
    IS(&out, "409 Exceeded MaxRequestBatch of 10");
    status_max_expires(&out, 90000000000);
    IS(&out, "409 Exceeded MaxRequestExpires of 1m30s");
    status_max_bytes(&out, 1024);
    IS(&out, "409 Exceeded MaxRequestMaxBytes of 1024");
    status_bad_request(&out, "unexpected end of JSON input");
    IS(&out, "400 Bad Request - unexpected end of JSON input");
}
END_TEST

START_TEST(heartbeats_tell_positions_and_what_is_unanswered)
{
    status_heartbeat(&out, &(struct status_alive){.last_consumer = 3, .last_stream = 30});
    IS(&out, "100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\nNats-Last-Stream: 30");
    status_heartbeat(&out, &(struct status_alive){3, 30, BYTES("$JS.FC.S.C.abcd"), 0});
    IS(&out, "100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\nNats-Last-Stream: 30\r\n"
             "Nats-Consumer-Stalled: $JS.FC.S.C.abcd");
    status_flow_control(&out);
    IS(&out, "100 FlowControl Request");
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        texts_are_the_references_byte_by_byte,
        ends_of_a_request_tell_what_was_left_of_it,
        limits_are_named,
        heartbeats_tell_positions_and_what_is_unanswered,
    };
    int result;

    buf_init(&out, 4096);
    result = UNIT_RUN_PLAIN("status", tests);
    buf_deinit(&out);
    return result;
}
