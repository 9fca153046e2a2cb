/* live_answer.c: /v1/status as a server-sent event (HTML, section 9.2). The members are those of the answer because the
 * answer itself is taken; what it ends in is opened once more for two members of this moment. */
#include <inttypes.h>

#include "base/check.h"
#include "query/answers.h"

void query_live_event(const struct view *view, const struct query_status *status, struct wall_time now,
                      uint64_t clicks_per_second, struct buffer *out) {
    static const char end[] = "}\n";
    const size_t end_len = sizeof end - 1;
    struct request_head head = {.path = BYTES_LITERAL("/v1/status")};
    struct reply reply = {.body_file = -1};
    answer_status(view, status, &head, &reply);
    CHECK(reply.http_status == 200 && reply.body.len > end_len);
    CHECK(memcmp(reply.body.at + reply.body.len - end_len, end, end_len) == 0);
    reply.body.len -= end_len;
    CHECK(memchr(reply.body.at, '\n', reply.body.len) == NULL); /* a line end would end the event's data */
    buffer_append_text(out, "event: status\ndata: ");
    buffer_append_bytes(out, buffer_view(&reply.body));
    buffer_append_text(out, ",\"now\":");
    append_time(out, (struct event_time){now.ms});
    buffer_printf(out, ",\"clicks_per_second\":%" PRIu64 "}\n\n", clicks_per_second);
    buffer_fini(&reply.body);
}
