/* apps/daemon/api_call.h - one call of the local API, as its handlers see it. Private to api*.c. */
#ifndef STA_DAEMON_API_CALL_H
#define STA_DAEMON_API_CALL_H

#include "apps/daemon/api.h"

enum { API_ARGS_MAX = 2, API_ARG_LEN_MAX = 256 };

struct api_call {
    struct parts *parts;
    struct api_reply *reply;
    uint64_t wall_unix_s, now_ms;
    char args[API_ARGS_MAX][API_ARG_LEN_MAX + 1];   /* what stood for {} in the path, decoded; UTF-8 without zeros */
    json_t *body;                                   /* an object; empty when nothing was sent */
    const char *query;                              /* after "?"; empty when none */
    struct bytes raw;                               /* the body of a call that takes no JSON */
    const char *range;                              /* a Range header; NULL: none */
};

/* Ends the call with an answer; takes `body`. */
void api_answer(struct api_call *c, int status, json_t *body);

/* Ends it with {"error": code, "message": ...}. */
void api_refuse(struct api_call *c, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The usual status and code of an error. `what` begins the message: "the message". */
void api_fail(struct api_call *c, enum err e, const char *what);

/* The keys that a body may have. `to` is written only when the key is there; all is checked before anything is written. */
enum api_field_kind { API_TEXT, API_COUNT, API_BOOL, API_TEXT_OR_NULL };
struct api_field {
    const char *name;
    enum api_field_kind kind;
    bool is_required;
    uint64_t least, most;    /* of a count; of a text's length in bytes */
    void *to;                /* struct bytes, uint64_t or bool */
};
/* False: refused already. Texts are lent by the body. */
bool api_fields(struct api_call *c, const struct api_field *fields, size_t count);

/* Numbers in the query, by the same rules. */
bool api_query(struct api_call *c, const struct api_field *fields, size_t count);

/* False, and refused with the reason: there is no identity, the vault is locked, the disk has failed. */
bool api_needs_person(struct api_call *c);
bool api_needs_node(struct api_call *c);

/* Finds the friend named by the first argument. */
bool api_friend(struct api_call *c, uint32_t *number);

/* The whole id of the message that this one names, whole or by its beginning. False: refused already. */
bool api_find_message(struct api_call *c, const char *given, char id[MESSAGE_ID_TEXT_LEN + 1]);

/* Sends a text to this friend and answers with the message. */
void api_send_text(struct api_call *c, uint32_t friend_number, struct bytes text, uint32_t life_s);

/* Shapes (docs/api.md). */
json_t *api_time(uint64_t unix_s);               /* null for 0 */
json_t *api_message_json(const struct message_info *m, const char *friend_name);
json_t *api_media_json(const struct media_info *i, const char *friend_name);
/* A message in JSON after it was made. */
void    api_answer_message(struct api_call *c, int status, const char *id);
json_t *api_friend_json(const struct friend_info *f);

typedef void api_handler(struct api_call *c);
api_handler api_calls, api_status, api_neighbours, api_doctor, api_export, api_import, api_gateways, api_gateway_add,
    api_gateway_remove, api_gateway_share;
api_handler api_card, api_invite, api_friends, api_friend_add, api_friend_show, api_friend_remove, api_friend_accept,
    api_friend_block, api_friend_unblock, api_introduce,
    api_friend_rename, api_friend_verify, api_friend_disappear, api_safety_number;
api_handler api_messages, api_conversations, api_send, api_read, api_message, api_message_delete, api_inbox, api_events;
api_handler api_upload_begin, api_upload_data, api_upload_show, api_upload_drop, api_media_send, api_media_list, api_media_show,
    api_media_data, api_media_light, api_media_preview, api_media_want, api_media_keep, api_media_free, api_free_up, api_storage;
api_handler api_backup, api_restore;
api_handler api_init, api_unlock, api_passphrase, api_settings, api_panic;

#endif
