/* apps/media/manifest.h - the small message that goes first: what is coming, and how to know and open it (protocol section 9.4).
 *
 * It comes from a friend and may lie. What it says is judged here once: sizes, counts and names that cannot be are refused with
 * the whole manifest, before anything is kept for it. A content that is not what its hash says is refused when it is there.
 */
#ifndef STA_MEDIA_MANIFEST_H
#define STA_MEDIA_MANIFEST_H

#include "apps/media/layout.h"
#include "crypto/chunk.h"

enum {
    MEDIA_NAME_MAX     = 200,    /* bytes; file systems take 255 */
    MEDIA_TYPE_MAX     = 80,
    MEDIA_CAPTION_MAX  = 4000,
    MEDIA_PREVIEW_MAX  = 8192,
    MANIFEST_LEN_MAX   = 12600,  /* all of it fits a bundle of 16 KiB */
};

enum media_kind { MEDIA_FILE, MEDIA_PHOTO, MEDIA_VOICE, MEDIA_VIDEO, MEDIA_KIND_COUNT };

struct manifest {
    enum media_kind kind;
    uint8_t  key[CHUNK_KEY_LEN];
    uint64_t size[PART_COUNT];                 /* LIGHT 0: there is none */
    uint8_t  hash[PART_COUNT][CONTENT_HASH_LEN];
    uint16_t width, height;                    /* of a photo or a film, as claimed; 0: not said */
    uint32_t duration_ms;
    struct bytes name, type, caption, preview; /* decode: borrowed from the input */
};

/* ERR_MALFORMED: cut short, bytes too many, a name, type or caption that may not be (below), a preview that is no JPEG, counts that do not follow from
 * the sizes; ERR_TOO_LARGE: past MEDIA_SIZE_MAX or the length of a field; ERR_VERSION. */
enum err manifest_decode(struct manifest *out, struct bytes in);

/* ERR_TOO_LARGE, ERR_MALFORMED: what manifest_decode would refuse is not written. */
enum err manifest_encode(const struct manifest *m, struct writer *w);

/* A name that is safe as the last part of a path and in a line of text: UTF-8, not empty, no slash of either kind, no control or
 * direction-changing character, no dot at its start, no space or dot at its end. */
bool media_name_is_sound(struct bytes name);

/* "type/subtype", lower case, of a kind that goes with it. */
bool media_type_is_sound(struct bytes type);
bool media_type_fits(struct bytes type, enum media_kind kind);

#endif
