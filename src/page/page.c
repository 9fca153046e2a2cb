#include "page/page.h"

#include "base/check.h"
#include "page/assets.h"
#include "reply/reply.h"

static const char assets_folder[] = "/assets/";

static bool starts_with(struct bytes text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.at, prefix, len) == 0;
}

static const struct page_asset *find(struct bytes path) {
    CHECK(page_assets_count > 0);
    for (size_t i = 0; i < page_assets_count; ++i)
        if (bytes_equal(path, bytes_of_text(page_assets[i].path))) return &page_assets[i];
    return NULL;
}

/* If-None-Match (RFC 9110, 13.1.2): `*`, or a list of tags, each perhaps weak. Our tags hold no comma, and none is a part of
 * another one with its quotes, so the tag standing anywhere in the list is the tag being listed. */
static bool is_current(struct bytes if_none_match, const char *etag) {
    if (if_none_match.len == 0) return false;
    if (if_none_match.len == 1 && if_none_match.at[0] == '*') return true;
    return memmem(if_none_match.at, if_none_match.len, etag, strlen(etag)) != NULL;
}

bool page_answer(const struct request_head *head, struct reply *reply) {
    const struct page_asset *asset = find(head->path);
    if (asset == NULL && !starts_with(head->path, assets_folder)) return false;
    if (!bytes_equal(head->method, bytes_of_text("GET"))) {
        reply_read_only(reply, head->path);
        return true;
    }
    if (asset == NULL) {
        reply_problem(reply, 404, "not-found", "Not found", "the page has no such file");
        return true;
    }
    CHECK(asset->at != NULL && asset->len > 0);
    *reply =
        (struct reply){.http_status = 200, .content_type = asset->content_type, .headers = asset->headers, .body_file = -1};
    if (is_current(head->if_none_match, asset->etag)) {
        reply->http_status = 304;
        reply->content_type = NULL; /* it is that of the copy */
    } else {
        buffer_append(&reply->body, asset->at, asset->len);
    }
    return true;
}
