/* mesh/links/bluetooth_links.h - the links we have over Bluetooth, and which of them are idle.
 *
 * A controller bears few connections and each costs energy, so a link over which nothing passes is closed; fingerprints in the
 * advertisements tell when there is a reason for another.
 */
#ifndef STA_LINKS_BLUETOOTH_LINKS_H
#define STA_LINKS_BLUETOOTH_LINKS_H

#include "mesh/links/bluetooth.h"
#include "mesh/links/bluetooth_wire.h"

struct bluetooth_link {
    bool is_used, is_ours, is_useful, is_settled, is_closing;
    uint32_t link;
    int fd;                    /* the host's; -1: a phone's, which it closes itself */
    struct bt_address address; /* the neighbour's; not of a phone */
    uint8_t advert[ADVERT_RANDOM_LEN];
    uint64_t active_ms, bundles, bytes;
};

struct bluetooth_links { struct bluetooth_link at[BLUETOOTH_LINKS_MAX]; };

/* NULL: no room, which bluetooth_links_count tells beforehand. */
struct bluetooth_link *bluetooth_links_add(struct bluetooth_links *t, uint32_t link, int fd, const uint8_t *advert,
                                           bool is_ours, uint64_t now_ms);
struct bluetooth_link *bluetooth_links_find(struct bluetooth_links *t, uint32_t link);
struct bluetooth_link *bluetooth_links_find_advert(struct bluetooth_links *t, const uint8_t *advert);
unsigned bluetooth_links_count(const struct bluetooth_links *t);

/* Closes what has been idle for idle_ms. True when something is being transferred. */
bool     bluetooth_links_look(struct bluetooth_links *t, const struct node *node, uint32_t idle_ms, uint64_t now_ms);
/* Closes now; the host tells that it is gone. */
void     bluetooth_link_close(struct bluetooth_link *l);

#endif
