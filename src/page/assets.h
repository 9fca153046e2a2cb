/* assets.h: the files of the page as embed_assets.py writes them into a C file. Internal to page/. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct page_asset {
    const char *path; /* "/assets/main.js"; "/" is the page itself */
    const char *content_type;
    const char *etag;    /* with its quotes */
    const char *headers; /* PAGE_HEADERS of that ETag */
    const uint8_t *at;
    size_t len;
};

/* Nothing but what this server itself serves may run, be shown or be asked: the page shows ids that strangers chose. A copy
 * may be kept, but is used only after asking whether it is current, so a new binary shows its own page at once. */
#define PAGE_HEADERS(etag)                                                                                                  \
    "Cache-Control: no-cache\r\nETag: " etag "\r\n"                                                                         \
    "Content-Security-Policy: default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "            \
    "object-src 'none'\r\n"                                                                                                 \
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n"

extern const struct page_asset page_assets[];
extern const size_t page_assets_count;
