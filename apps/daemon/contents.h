/* apps/daemon/contents.h - bytes of contents over HTTP, a piece at a time as the reader takes them. */
#ifndef STA_DAEMON_CONTENTS_H
#define STA_DAEMON_CONTENTS_H

#include "apps/daemon/api.h"

struct evhttp_request;

enum { CONTENT_PIECE_LEN = 128 * 1024 };

/* Those under way. All zero: none. */
struct contents { struct sending *first; };

/* Takes request and content. */
void contents_send(struct contents *all, struct parts *parts, struct evhttp_request *request, struct api_content *content);

/* Call before evhttp_free. */
void contents_end(struct contents *all);

#endif
