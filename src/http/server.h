/* server.h: the inside of the HTTP server, for the files of this folder only. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "http/http.h"
#include "http/listen.h"

enum { HTTP_THREADS_MAX = 64 };

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_handler handler;
    char url[LISTEN_URL_BYTES];
    bool quiesced;

    /* The threads that have had a request. `thread_count` is stored after the entries below it are written, so that looking
     * oneself up, once a request, takes no lock; adding and reading the clocks do. */
    pthread_mutex_t threads_lock;
    atomic_uint thread_count;
    pthread_t threads[HTTP_THREADS_MAX];
    clockid_t thread_clocks[HTTP_THREADS_MAX];
};

/* --- request.c: libmicrohttpd's callbacks; `self` is the server --- */
void *http_on_uri(void *self, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_len, void **request_slot);
void http_on_completed(void *self, struct MHD_Connection *connection, void **request_slot,
                       enum MHD_RequestTerminationCode code);
/* --- and the node's side; `opaque` is the request --- */
void http_request_reply(void *self, void *opaque, struct reply *reply);
void http_request_resume(void *self, void *opaque);

/* --- server.c --- */
void http_note_thread(struct http_server *server);
