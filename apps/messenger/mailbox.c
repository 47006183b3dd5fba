/* apps/messenger/mailbox.c - which buckets are ours, and which we only pretend to ask for. */
#include <string.h>

#include "apps/messenger/state.h"
#include "crypto/hash.h"

enum { DAYS_BACK = 16, DAYS_AHEAD = 1, DECOYS = 4 };

struct list { struct mailbox_prefix *at; size_t count, max; };

static void add(struct list *l, uint32_t prefix, uint8_t bits)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].prefix == prefix && l->at[i].bits == bits)
            return;
    if (l->count < l->max)
        l->at[l->count++] = (struct mailbox_prefix){ prefix, bits };
}

static void add_days(struct list *l, const uint8_t secret[32], uint8_t bits, uint32_t today)
{
    uint32_t first = today > DAYS_BACK ? today - DAYS_BACK : 0;

    for (uint32_t day = first; day <= today + DAYS_AHEAD; day++)
        add(l, bucket_prefix(secret, day, bits), bits);
}

/* Drawn from the inbox secret: the same each time somebody looks, so that two looks do not tell them from ours. */
static void decoy_secret(const uint8_t secret[32], uint8_t i, uint8_t out[32])
{
    hash_derive_one(out, 32, bytes_of(secret, 32), "decoy", bytes_of(&i, 1));
}

size_t messenger_prefixes(struct messenger *m, uint32_t other_day, struct mailbox_prefix *out, size_t max)
{
    struct list l = { out, 0, max };
    uint32_t today = messenger_day(m);

    for (size_t i = 0; i < identity_inbox_count(m->identity); i++) {
        struct inbox_view v;
        uint8_t secret[32];

        identity_inbox(m->identity, i, &v);
        for (uint8_t d = 0; d <= DECOYS; d++) {
            memcpy(secret, v.secret, sizeof secret);
            if (d > 0)
                decoy_secret(v.secret, d, secret);
            add_days(&l, secret, v.mailbox_bits, today);
            if (other_day != today)
                add_days(&l, secret, v.mailbox_bits, other_day);
            /* Invites are many and short-lived: they hide among each other. */
            if (v.is_one_time)
                break;
        }
        secret_wipe(secret, sizeof secret);
    }
    /* In order, so that their places do not say which are ours. */
    for (size_t i = 1; i < l.count; i++)
        for (size_t k = i; k > 0 && out[k - 1].prefix > out[k].prefix; k--) {
            struct mailbox_prefix t = out[k];

            out[k] = out[k - 1];
            out[k - 1] = t;
        }
    return l.count;
}
