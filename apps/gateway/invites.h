/* apps/gateway/invites.h - who may use the gateway: one small file an invite, in the folder `invites` of the data folder.
 *
 * The running gateway and the commands share nothing but that folder: a file that comes is a new invite, one that goes is
 * revoked, both within a second. No user has an account: an invite has a label for the operator, and what came by it
 * is counted, nothing else.
 */
#ifndef STA_GATEWAY_INVITES_H
#define STA_GATEWAY_INVITES_H

#include <stdio.h>

#include "mesh/links/gateway_link.h"

enum { INVITES_MAX = 4096, INVITE_LABEL_MAX = 64, INVITE_FILE_MAX = 1024 };

struct invite {
    uint8_t  id[GATEWAY_ID_LEN], secret[GATEWAY_SECRET_LEN];
    char     label[INVITE_LABEL_MAX + 1];
    uint64_t quota_bytes_per_day;     /* 0: no limit */
    uint64_t expires_unix_s;          /* 0: never */
    uint64_t made_unix_s;
    uint32_t contributor;             /* who it is to the store's quotas */
    uint64_t used_day, used_bytes;    /* brought on that day and kept */
    uint64_t total_bytes;
    bool     is_peer;                 /* of another gateway, not of users */
    bool     is_gone;                 /* revoked: kept only while links of it are closed */
};

struct invites;

/* The data folder must exist; its folder of invites is made. ERR_IO, ERR_NO_MEMORY. */
enum err invites_open(struct invites **out, const char *data_folder);
void     invites_close(struct invites *s);      /* wipes; takes NULL */

/* Reads the folder again if it changed. True: it did. */
bool     invites_refresh(struct invites *s);

size_t   invites_count(const struct invites *s);
struct invite *invites_at(const struct invites *s, size_t i);

/* Looks at all of them, whichever it is. NULL: none, or revoked. Lent until the next refresh. */
struct invite *invites_find(const struct invites *s, const uint8_t id[GATEWAY_ID_LEN]);
struct invite *invites_by_contributor(const struct invites *s, uint32_t contributor);

/* `now_unix_s` 0: no clock, and nothing expires. */
bool     invite_is_expired(const struct invite *v, uint64_t now_unix_s);
uint64_t invite_allowance(const struct invite *v, uint64_t now_unix_s);   /* bytes; UINT64_MAX: no limit */
void     invite_count_use(struct invite *v, uint64_t bytes, uint64_t now_unix_s);

/* Writes the file. */
enum err invites_add(struct invites *s, const struct invite *v);
/* By label or by the hex id, all that match; *count of them. ERR_NOT_FOUND, ERR_IO. */
enum err invites_revoke(struct invites *s, const char *which, size_t *count);

/* What was used, to and from the file `usage`. */
void     invites_load_usage(struct invites *s);
enum err invites_save_usage(const struct invites *s);

/* The text of a file. ERR_MALFORMED. */
enum err invite_read(struct invite *out, const char *text, size_t len);

#endif
