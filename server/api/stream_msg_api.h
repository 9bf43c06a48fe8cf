/* stream_msg_api: STREAM.MSG.GET and STREAM.MSG.DELETE (reference streams 6.1, 6.2). */
#ifndef SERVER_API_STREAM_MSG_API_H
#define SERVER_API_STREAM_MSG_API_H

struct api_request;

void api_run_msg_get(struct api_request *request);
void api_run_msg_delete(struct api_request *request);

#endif
