/* apps/gateway/web.h - a small web server for a folder of files, on a Unix socket.
 *
 * It stands where an operator's own web server would: the front passes it whole connections, those of browsers and those of
 * failed users alike, and it cannot tell them apart.
 */
#ifndef STA_GATEWAY_WEB_H
#define STA_GATEWAY_WEB_H

#include "mesh/base/err.h"

struct web;
struct event_base;

/* `folder` NULL: one plain page. The socket is made with mode 0600. ERR_IO with errno, ERR_NO_MEMORY. */
enum err web_new(struct web **out, struct event_base *base, const char *socket_path, const char *folder);
void     web_free(struct web *w);   /* takes NULL */

#endif
