/* apps/messenger/media.h - photos, voice notes, films and files of a conversation.
 *
 * A message announces a content (apps/media/manifest.h) and is a message like any other: sealed, carried, acknowledged. The content follows in chunks
 * of 32 KiB under a key of its own, in any order, over any neighbours; any sufficient subset completes it. What came
 * is written to a file beside the database, sealed; a chunk's bundle is let go only when the file is synced and the record that
 * counts it is in the turn's commit, so that a cut costs nothing that was committed.
 *
 * The light version of a voice note goes at once. The original waits: for a fast link, for a gateway while the day's budget lasts, or
 * for the receiver's wish, unless it is small or the sender says now.
 *
 * All calls may fail with ERR_UNSUPPORTED when the messenger was opened without blobs.
 */
#ifndef STA_MESSENGER_MEDIA_H
#define STA_MESSENGER_MEDIA_H

#include "apps/media/manifest.h"
#include "apps/messenger/messenger.h"

enum {
    UPLOADS_MAX       = 8,
    UPLOAD_IDLE_S     = 3600,
    MEDIA_ITEMS_MAX   = 20000,
    MEDIA_ACTIVE_MAX  = 128,       /* contents coming in at a time: 150 kB of memory each at worst. Further ones wait for a wish */
};

/* ---- A content on its way into the messenger ---- */

/* ERR_TOO_LARGE, ERR_MALFORMED (no bytes), ERR_FULL (UPLOADS_MAX). */
enum err messenger_upload_begin(struct messenger *m, uint64_t size, uint32_t *upload);

/* In order: `offset` is what was written so far. ERR_STATE: it is not; *have tells. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_FULL (the disk). */
enum err messenger_upload_write(struct messenger *m, uint32_t upload, uint64_t offset, struct bytes data, uint64_t *have);
enum err messenger_upload_info(struct messenger *m, uint32_t upload, uint64_t *size, uint64_t *have);
enum err messenger_upload_drop(struct messenger *m, uint32_t upload);

struct media_offer {
    enum media_kind kind;
    struct bytes name, type, caption;
    bool     is_now;               /* the original does not wait */
    bool     is_preparing;         /* preview and light version are being made: messenger_media_prepared follows */
    uint32_t life_s;               /* 0: LIFE_DEFAULT_S */
};

/* Uses the upload up. The message is in the conversation when this returns. ERR_STATE: the upload is not whole, or MESSAGES_WAITING_MAX;
 * ERR_NOT_FOUND; ERR_MALFORMED: name, type or caption (manifest.h); ERR_TOO_LARGE; ERR_FULL. */
enum err messenger_send_media(struct messenger *m, uint32_t friend_number, uint32_t upload, const struct media_offer *offer,
                              uint64_t wall_unix_s, uint64_t now_ms, char id[MESSAGE_ID_TEXT_LEN + 1]);

/* What the helper made of the original; the manifest goes out with it. Empty where it could make nothing. Harmless when the message
 * has gone or was prepared already. Parts that manifest.h would refuse are left out. */
struct media_made { struct bytes preview, light; uint16_t width, height; uint32_t duration_ms; };
enum err messenger_media_prepared(struct messenger *m, struct bytes id_text, const struct media_made *made, uint64_t wall_unix_s,
                                  uint64_t now_ms);

/* ---- Looking ---- */

enum media_state {
    MEDIA_PREPARING, MEDIA_WAITING, MEDIA_GOING,    /* outgoing */
    MEDIA_COMING,                                   /* incoming */
    MEDIA_COMPLETE, MEDIA_STOPPED, MEDIA_BROKEN, MEDIA_FREED,
};

struct media_info {
    char     id[MESSAGE_ID_TEXT_LEN + 1];
    uint32_t friend_number;
    bool     is_incoming;
    enum media_kind kind;
    enum media_state state;
    uint64_t size, light_size, time_unix_s;
    uint16_t width, height;
    uint32_t duration_ms;
    size_t   preview_len;
    const char *name, *type;        /* lent until the next messenger_ call */
    uint32_t chunks, needed, have, carried, couriers;
    uint32_t light_needed, light_have;
    bool     is_kept, is_wanted, is_here, is_light_here;
    const char *reason;
};
enum err messenger_media(struct messenger *m, struct bytes id_text, struct media_info *out);

/* The newest first. */
typedef bool messenger_media_visit(void *ctx, const struct media_info *info);
enum err messenger_media_list(struct messenger *m, messenger_media_visit *visit, void *ctx);

/* Copies `len` bytes from `offset` on. ERR_STATE: not complete here; ERR_TOO_LARGE: past the end; ERR_CORRUPT; ERR_NOT_FOUND. */
enum err messenger_media_read(struct messenger *m, struct bytes id_text, enum media_part part, uint64_t offset, void *to, size_t len);

/* Copies the preview; *len is its length. */
enum err messenger_media_preview(struct messenger *m, struct bytes id_text, uint8_t to[MEDIA_PREVIEW_MAX], size_t *len);

/* ---- Wishes and space ---- */

/* Incoming: the original is asked for now; or nothing more of it is wanted. ERR_STATE: it is complete, or it is ours. */
enum err messenger_media_want(struct messenger *m, struct bytes id_text, bool is_wanted, uint64_t wall_unix_s, uint64_t now_ms);
enum err messenger_media_keep(struct messenger *m, struct bytes id_text, bool is_kept);

/* Removes the original's bytes here; message, preview and light version stay. An outgoing one that has not arrived is not sent on.
 * ERR_STATE: it is kept, or nothing of it is here. */
enum err messenger_media_free(struct messenger *m, struct bytes id_text, uint64_t *freed);

/* Frees, the oldest first, what is complete, not kept and older than older_s, until `bytes` are freed (0: all there is). */
enum err messenger_free_up(struct messenger *m, uint64_t older_s, uint64_t bytes, uint64_t *freed, uint32_t *count);

struct media_usage {
    uint64_t bytes, items;              /* contents on disk */
    uint64_t kept_bytes, free_bytes;    /* of items that are kept; that free-up would free now with the default age */
    uint64_t uploads_bytes;
    uint64_t gateway_today_bytes, gateway_budget_bytes;
};
enum err messenger_media_usage(struct messenger *m, struct media_usage *out);
enum { FREE_UP_AGE_S = 30 * 86400 };

#endif
