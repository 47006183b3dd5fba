/* mesh/links/bluetooth_links.c - see bluetooth_links.h */
#define _GNU_SOURCE
#include "mesh/links/bluetooth_links.h"

#include <string.h>
#include <sys/socket.h>

enum { CHATTER_BYTES = 256 };   /* pings and the like between two looks are no activity */

struct bluetooth_link *bluetooth_links_add(struct bluetooth_links *t, uint32_t link, int fd, const uint8_t *advert,
                                           bool is_ours, uint64_t now_ms)
{
    for (size_t i = 0; i < BLUETOOTH_LINKS_MAX; i++) {
        struct bluetooth_link *l = &t->at[i];

        if (l->is_used)
            continue;
        *l = (struct bluetooth_link){ .is_used = true, .is_ours = is_ours, .link = link, .fd = fd, .active_ms = now_ms };
        memcpy(l->advert, advert, sizeof l->advert);
        return l;
    }
    return NULL;
}

struct bluetooth_link *bluetooth_links_find(struct bluetooth_links *t, uint32_t link)
{
    for (size_t i = 0; i < BLUETOOTH_LINKS_MAX; i++)
        if (t->at[i].is_used && t->at[i].link == link)
            return &t->at[i];
    return NULL;
}

struct bluetooth_link *bluetooth_links_find_advert(struct bluetooth_links *t, const uint8_t *advert)
{
    for (size_t i = 0; i < BLUETOOTH_LINKS_MAX; i++)
        if (t->at[i].is_used && memcmp(t->at[i].advert, advert, ADVERT_RANDOM_LEN) == 0)
            return &t->at[i];
    return NULL;
}

unsigned bluetooth_links_count(const struct bluetooth_links *t)
{
    unsigned count = 0;

    for (size_t i = 0; i < BLUETOOTH_LINKS_MAX; i++)
        count += t->at[i].is_used;
    return count;
}

bool bluetooth_links_look(struct bluetooth_links *t, const struct node *node, uint32_t idle_ms, uint64_t now_ms)
{
    bool is_transferring = false;

    for (size_t i = 0; i < BLUETOOTH_LINKS_MAX; i++) {
        struct bluetooth_link *l = &t->at[i];
        struct node_link_info info;
        uint64_t bundles, bytes;

        if (!l->is_used || !node_link_info(node, l->link, &info))
            continue;
        bundles = info.bundles_in + info.bundles_out;
        bytes = info.bytes_in + info.bytes_out;
        if (!info.is_ready || bundles != l->bundles || bytes > l->bytes + CHATTER_BYTES) {
            l->active_ms = now_ms;
            is_transferring = true;
        } else if (now_ms - l->active_ms >= idle_ms && !l->is_closing) {
            bluetooth_link_close(l);
        }
        l->bundles = bundles;
        l->bytes = bytes;
    }
    return is_transferring;
}

void bluetooth_link_close(struct bluetooth_link *l)
{
    l->is_closing = true;
    if (l->fd >= 0)
        (void)shutdown(l->fd, SHUT_RDWR);
}
