/* apps/gateway/proxy_header.h - the line with which a load balancer begins a connection (the PROXY protocol, versions 1 and 2).
 *
 * It says where the connection came from, which is no business of ours: it is only found and left out.
 */
#ifndef STA_GATEWAY_PROXY_HEADER_H
#define STA_GATEWAY_PROXY_HEADER_H

#include "mesh/base/bytes.h"

enum { PROXY_HEADER_MAX = 536 };

/* ERR_NONE: *len octets are the header. ERR_NOT_FOUND: it may yet become one. ERR_MALFORMED: it is none. */
enum err proxy_header_find(struct bytes in, size_t *len);

#endif
