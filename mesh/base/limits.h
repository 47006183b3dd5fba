/* mesh/base/limits.h - every number that bounds what the outside can make us hold,
 * with its reason. A value that is a property of a format (a header's length, say)
 * stands with the format.
 */
#ifndef STA_BASE_LIMITS_H
#define STA_BASE_LIMITS_H

enum {
    /* Links. */
    LINKS_MAX            = 64,        /* a relay on a shelter's Wi-Fi; each costs some 100 kB at worst */
    CLIENTS_MAX          = 32768,     /* of a gateway, at 24 kB each with their TLS; its file descriptors end sooner */
    LINKS_SPARE          = 4,         /* kept free for newcomers by ending links that are of no use */
    LINK_USELESS_MS      = 10000,     /* without anything new, for that */
    LINK_TAKING_MS       = 600000,    /* taking bundles counts as use for so long */
    LINK_SLOW_MS         = 3000,      /* a handshake that takes longer makes room, too */
    LINK_FRAME_MAX       = 16384,     /* plaintext of one record: 60 small bundles share one seal */
    LINK_FRAME_MAX_BT    = 1024,      /* protocol section 7 */
    LINK_REKEY_RECORDS   = 1 << 16,   /* protocol section 7 */
    LINK_HANDSHAKE_MS    = 10000,     /* a neighbour that takes longer is gone */
    LINK_SILENCE_MS      = 180000,    /* three missed pings */
    LINK_PING_MS         = 55000,     /* idle: 19 bytes a minute */

    /* Bundles. */
    HOPS_MAX             = 12,        /* protocol section 10 */
    LIFE_MAX_H           = 372,       /* 15.5 days: 14 + 24 h of blur + half a day of clock error */

    /* Contacts. */
    LIST_MAX             = 32,        /* below this a plain list is shorter than a sketch */
    OFFERS_MAX           = 1024,      /* offers unanswered on one link: 6 kB */
    WANTS_BYTES_MAX      = 256 * 1024,/* asked for and not yet here: keeps the order ours */
    SKETCH_CELLS_MAX     = 1 << 18,   /* 190 000 differences, 2.3 MB on the wire */
    SKETCH_SET_MAX       = 1 << 20,   /* members of one reconciled set: 8 MB of short ids */

    /* Store. */
    STORE_BYTES_DEFAULT  = 512 * 1024 * 1024,
    SEEN_MAX             = 1 << 16,   /* ids remembered after removal, oldest forgotten first */
};

#endif
