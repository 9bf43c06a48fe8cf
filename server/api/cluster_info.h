/* cluster_info: who holds a stream, as infos and advisories say it (reference streams 11.2). */
#ifndef SERVER_API_CLUSTER_INFO_H
#define SERVER_API_CLUSTER_INFO_H

#include "base/json.h"

struct replica;
struct stream_lane;

/* An array of all members, this server among them; who is up, that lane knows, whose thread asks.
 */
void cluster_info_members(struct json_writer *writer, const struct stream_lane *lane,
                          const struct replica *replica);

/* Does this server hear from so many that, with it, they are most? */
bool cluster_info_majority(const struct stream_lane *lane, const struct replica *replica);

#endif
