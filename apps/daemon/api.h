/* apps/daemon/api.h - the local API as a function: a request in, a status and JSON out (docs/api.md).
 *
 * Knows no sockets; door.h carries it over HTTP, tests and the fuzzer call it as it is. Every request is judged whole
 * before anything is changed, and every refusal names the key and says what to do.
 */
#ifndef STA_DAEMON_API_H
#define STA_DAEMON_API_H

#include <jansson.h>

#include "apps/daemon/parts.h"

enum {
    API_BODY_MAX    = 128 * 1024,   /* a text of TEXT_LEN_MAX with every character escaped */
    API_PATH_MAX    = 2048,
    API_PIECE_MAX   = 256 * 1024,   /* of an upload */
    API_PAGE_MAX    = 500,          /* messages in one answer */
    API_PAGE_USUAL  = 200,
    API_PREFIX_MIN  = 4,            /* characters of a message id that may stand for it */
};

enum api_method { API_GET, API_POST, API_DELETE };

struct api_request {
    enum api_method method;
    const char *target;             /* path and query as sent */
    struct bytes body;
    const char *range;              /* the header of that name; NULL: none */
    uint64_t session;               /* of the page; 0: the owner of the Unix socket asks */
    bool is_remote;                 /* from another machine */
};

/* Bytes of a content, or of anything that is no JSON. */
struct api_content {
    char id[MESSAGE_ID_TEXT_LEN + 1];   /* of the message; empty: `bytes` is all of it */
    int part;                           /* enum media_part */
    uint64_t from, len, total;
    bool is_range;
    uint8_t *bytes;                     /* the caller's to free */
    char name[256];                     /* to save it under */
};

struct api_reply {
    int status;
    json_t *body;                   /* an object; the caller's to release */
    bool is_after_turn;             /* may be sent only when what it tells is durable */
    struct api_content *content;    /* instead of `body`: the caller sends it, and frees it */
    bool is_stream;                 /* GET /v1/events: the caller keeps the connection and feeds it */
};

void api_content_free(struct api_content *content);   /* takes NULL */

/* Never fails: what goes wrong is in the reply. */
void api_handle(struct parts *p, const struct api_request *request, struct api_reply *reply);

/* A reply that stands in when the turn's commit failed, or is not to come (ERR_STATE: the daemon stops). */
void api_reply_storage_failed(struct api_reply *reply, enum err why);

/* An event as the stream tells it: its name, and an object. NULL: nothing worth telling. */
json_t *api_event(struct parts *p, const struct messenger_event *event, const char **name);

#endif
