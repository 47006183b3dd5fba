/* apps/messenger/media_shelf.h - the contents of conversations, for the files of this room.
 *
 * Of each content a small record is in memory; the bitmaps and tags of chunks only while it is under way. Records are written at the
 * end of the public call, like all others (messenger_settle). Failures of the media files are the media's own: a full disk
 * stops contents, never messages.
 */
#ifndef STA_MESSENGER_MEDIA_SHELF_H
#define STA_MESSENGER_MEDIA_SHELF_H

#include "apps/media/erasure.h"
#include "apps/media/report.h"
#include "apps/messenger/media.h"
#include "apps/messenger/state.h"
#include "storage/blobs.h"

enum {
    BITMAP_LEN        = (CHUNKS_MAX + 7) / 8,
    COURIERS_MAX      = 16,
    PIECES_PENDING    = 256,       /* written and not synced: 8 MiB, one sync for all */
    SPILL_PAUSE_S     = 1,         /* after the last chunk came, what is there is synced */
    WINDOW_CHUNKS     = 256,       /* ours that wait in the store for the first neighbour: 8 MiB */
    FEED_CHUNKS       = 64,        /* sealed in one turn: 2 MiB, some ms */
    VERIFY_PIECES     = 64,        /* hashed in one turn */
    ROUNDS_KNOWN      = 6,         /* the latest rounds, besides the first, in which a chunk is still recognised */
    SMALL_CHUNKS      = 2,         /* an original of so few bundles does not wait */
    ASK_BASE_S        = 60,        /* and the receipt delay: the first pause before missing chunks are asked for; doubles */
    ASK_PATIENCE_S    = 6 * 3600,  /* while nothing of the original has come: the sender may be waiting for a fast link */
    ASK_MAX_S         = 24 * 3600,
    DISK_PAUSE_S      = 300,       /* after the disk was full */
};

enum media_flag {
    MF_INCOMING = 1, MF_KEPT = 2, MF_WISHED = 4, MF_NOW = 8, MF_FREED = 16, MF_STOPPED = 32, MF_COMPLETE = 64,
    MF_LIGHT_COMPLETE = 128, MF_BROKEN = 256, MF_PREPARING = 512, MF_EXPIRED = 1024, MF_FLAGS = 2047,
};

struct shelf_part {
    struct layout l;                 /* size 0: there is no such part */
    uint8_t  hash[CONTENT_HASH_LEN];
    uint64_t blob;                   /* 0: none */
    uint8_t  blob_key[32];
    uint8_t  round;                  /* incoming: last asked in; outgoing: last asked for by them */
    uint32_t told;                   /* outgoing: chunks that they say they have */
    uint32_t have_count, handed_count;
    uint8_t *have;                   /* incoming: in the file for sure; outgoing: known to have arrived */
    uint8_t *handed;                 /* outgoing: taken by a neighbour; incoming: written, not synced yet */
    uint8_t *sent;                   /* outgoing: in our store, or was */
};

/* The rounds to look for: 0, and the latest ones. */
static inline unsigned round_next(unsigned r, unsigned latest)
{
    return r == 0 && latest > ROUNDS_KNOWN ? latest - ROUNDS_KNOWN + 1 : r + 1;
}

struct pending { struct bundle_id id; uint32_t index; uint8_t part, round; };

struct shelf_item {
    struct message_id id;
    uint32_t friend_number, slot;
    uint16_t flags;                  /* enum media_flag */
    enum media_kind kind;
    uint8_t  key[CHUNK_KEY_LEN];
    uint64_t time_unix_s, until_s;   /* until_s on our clock: not after */
    uint32_t life_s;
    struct shelf_part part[PART_COUNT];

    /* Under way. */
    bool     is_active, is_dirty, is_told_due, is_report_due, is_disk_full;
    uint32_t in_store;               /* outgoing: sealed, and no neighbour has it yet */
    uint64_t told_s, spill_s, ask_s, feed_s, report_s;
    uint32_t asks;
    uint32_t courier[COURIERS_MAX], courier_count;
    struct pending *pending;
    uint32_t pending_count;

    /* Being put together, a step a turn (media_in.c). */
    bool     is_building;
    uint8_t  build_part;
    uint32_t build_block, build_piece;
    struct content_hash *build_hash;

    /* Parity of the block last sealed (media_out.c). */
    struct erasure *parity;
    uint32_t parity_block;
    uint8_t  parity_part;
};

struct upload {
    uint32_t number;                 /* 0: free */
    uint64_t size, have, blob, used_s;
    uint8_t  key[32];
    struct layout l;
    struct content_hash *hash;
    uint8_t *piece;                  /* what is not a whole piece yet */
};

struct trash { uint64_t blob, now_ms; };

struct media_shelf {
    struct blobs *blobs;
    struct shelf_item **items;       /* by slot; NULL: gone */
    uint32_t count, cap, active_count;
    bool is_dirty;
    enum err load;                   /* while opening */
    struct tagbook *tags;
    struct upload uploads[UPLOADS_MAX];
    uint32_t next_upload;
    struct trash *trash;             /* files to remove once the commit that let go of them is past */
    uint32_t trash_count, trash_cap;
    struct { uint32_t link; bool is_fast, is_uplink; } links[LINKS_MAX];
    uint32_t link_count;
    uint32_t budget_day;
    uint64_t budget_used;
    uint8_t *piece, *sealed;         /* a piece of content; the same sealed, or a bundle: BUNDLE_LEN_MAX each */
    uint64_t read_blob, read_place;  /* what `cache` holds */
    uint8_t *cache;
    uint8_t *manifest;               /* of the item last looked at */
    size_t   manifest_len;
    char     name[MEDIA_NAME_MAX + 1], type[MEDIA_TYPE_MAX + 1];
    struct media_info info;          /* of the message last loaded */
};

static inline bool bit_get(const uint8_t *map, uint32_t i) { return (map[i >> 3] >> (i & 7) & 1) != 0; }
static inline void bit_set(uint8_t *map, uint32_t i) { map[i >> 3] = (uint8_t)(map[i >> 3] | 1u << (i & 7)); }
static inline void bit_clear(uint8_t *map, uint32_t i) { map[i >> 3] = (uint8_t)(map[i >> 3] & ~(1u << (i & 7))); }

/* ---- media_record.c ---- */
enum err shelf_item_encode(const struct shelf_item *i, struct buffer *to);
/* Bitmaps are made when it is under way. ERR_CORRUPT, ERR_NO_MEMORY. */
enum err shelf_item_decode(struct shelf_item *out, struct bytes in);
bool     shelf_item_is_under_way(const struct shelf_item *i);

/* ---- media_shelf.c ---- */
struct shelf_item *shelf_find(const struct messenger *m, const struct message_id *id);
struct shelf_item *shelf_find_text(const struct messenger *m, struct bytes id_text);
/* A new item with room for all that is under way. The manifest is kept beside it. */
enum err shelf_add(struct messenger *m, const struct message_id *id, const struct manifest *mf, struct bytes manifest,
                   struct shelf_item **out);
enum err shelf_put_manifest(struct messenger *m, const struct shelf_item *i, struct bytes manifest);
/* Lends what was announced until the next call. ERR_NOT_FOUND, ERR_CORRUPT. */
enum err shelf_manifest(struct messenger *m, const struct shelf_item *i, struct manifest *out);
enum err shelf_activate(struct messenger *m, struct shelf_item *i);
void     shelf_rest(struct messenger *m, struct shelf_item *i);      /* no longer under way: tags and bitmaps go */
void     shelf_touch(struct messenger *m, struct shelf_item *i);
void     shelf_tell(struct messenger *m, struct shelf_item *i);
void     shelf_courier(struct shelf_item *i, uint32_t who);
void     shelf_forget_blob(struct messenger *m, uint64_t blob);
enum err shelf_tag(struct messenger *m, const struct shelf_item *i, struct chunk_name name);
bool     shelf_has_fast_link(const struct messenger *m);

/* ---- media_file.c ---- */
size_t   piece_len(const struct layout *l);
enum err piece_write(struct messenger *m, const struct shelf_part *p, uint32_t index, const uint8_t *plain);
enum err piece_read(struct messenger *m, const struct shelf_part *p, uint32_t index, uint8_t *plain);
void     blob_draw(struct messenger *m, uint64_t *blob, uint8_t key[32]);
/* One file for one content, however many messages have it: what is known of this hash, and who refers to it. ERR_NOT_FOUND. */
enum err content_find(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], uint64_t *blob, uint8_t key[32]);
enum err content_share(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], uint64_t blob, const uint8_t key[32]);
/* *is_last: nobody refers to it any more, its file goes after the commit. */
enum err content_release(struct messenger *m, const uint8_t hash[CONTENT_HASH_LEN], bool *is_last);

/* An upload that is whole becomes the original of a message: synced, shared with what has the same content. messenger_send_media's errors. */
enum err upload_take(struct messenger *m, uint32_t upload, struct shelf_part *out);
bool     upload_holds(const struct messenger *m, uint64_t blob);
void     uploads_wake(struct messenger *m);
void     uploads_clear(struct messenger *m);

/* ---- media_in.c ---- */
bool     media_in_stored(struct messenger *m, struct shelf_item *i, struct chunk_name name, const struct store_entry *entry);
void     media_in_look(struct messenger *m, struct shelf_item *i);   /* what our store has of it already */
void     media_in_wake(struct messenger *m, struct shelf_item *i);
uint64_t media_in_due_s(const struct messenger *m, const struct shelf_item *i);

/* ---- media_out.c ---- */
void     media_out_look(struct messenger *m, struct shelf_item *i);
void     media_out_carried(struct messenger *m, struct shelf_item *i, struct chunk_name name, const struct node_event *event);
void     media_out_dropped(struct messenger *m, struct shelf_item *i, struct chunk_name name, const struct node_event *event);
void     media_out_wake(struct messenger *m, struct shelf_item *i);
uint64_t media_out_due_s(const struct messenger *m, const struct shelf_item *i);
bool     media_out_is_released(const struct messenger *m, const struct shelf_item *i);
/* Nothing of it is carried on. With proof: it arrived, and copies are freed on the way. */
void     media_out_release(struct messenger *m, struct shelf_item *i, bool has_arrived);

#endif
