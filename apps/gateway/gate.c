/* apps/gateway/gate.c - see gate.h */
#include "apps/gateway/gate.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

struct member { uint32_t link, contributor; };

struct gate {
    struct invites *invites;
    uint8_t key[GATEWAY_PUBLIC_LEN];
    uint8_t nobody[GATEWAY_SECRET_LEN];   /* what tokens of no invite are checked against */
    struct member *members;
    size_t count, cap;
    bool is_use_changed;
    uint64_t day;
};

enum err gate_new(struct gate **out, struct invites *invites, const uint8_t key[GATEWAY_PUBLIC_LEN], const struct rng *rng)
{
    struct gate *g = calloc(1, sizeof *g);

    if (g == NULL)
        return ERR_NO_MEMORY;
    g->invites = invites;
    memcpy(g->key, key, sizeof g->key);
    rng_fill(rng, g->nobody, sizeof g->nobody);
    *out = g;
    return ERR_NONE;
}

void gate_free(struct gate *g)
{
    if (g == NULL)
        return;
    free(g->members);
    secret_wipe(g, sizeof *g);
    free(g);
}

const uint8_t *gate_key(const struct gate *g)
{
    return g->key;
}

const struct invite *gate_judge(struct gate *g, const uint8_t token[TOKEN_LEN], const uint8_t binding[TOKEN_BINDING_LEN],
                                uint64_t now_unix_s)
{
    uint8_t id[GATEWAY_ID_LEN];

    token_id(token, g->key, binding, id);
    const struct invite *v = invites_find(g->invites, id);
    bool is_proven = token_is_proven(token, v != NULL ? v->secret : g->nobody, binding);
    return is_proven && v != NULL && !invite_is_expired(v, now_unix_s) ? v : NULL;
}

enum err gate_join(struct gate *g, const struct invite *v, uint32_t link)
{
    if (g->count == g->cap) {
        size_t cap = g->cap == 0 ? 64 : g->cap * 2;
        struct member *more = realloc(g->members, cap * sizeof *more);

        if (more == NULL)
            return ERR_NO_MEMORY;
        g->members = more;
        g->cap = cap;
    }
    g->members[g->count++] = (struct member){ link, v->contributor };
    return ERR_NONE;
}

void gate_leave(struct gate *g, uint32_t link)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->members[i].link == link) {
            g->members[i] = g->members[--g->count];
            return;
        }
    }
}

size_t gate_count(const struct gate *g)
{
    return g->count;
}

void gate_count_use(struct gate *g, uint32_t contributor, uint64_t bytes, uint64_t now_unix_s)
{
    struct invite *v = invites_by_contributor(g->invites, contributor);

    if (v != NULL)
        invite_count_use(v, bytes, now_unix_s);
    g->is_use_changed = true;
}

void gate_tend(struct gate *g, struct host *host, struct node *node, uint64_t now_unix_s)
{
    bool is_changed = invites_refresh(g->invites) || g->is_use_changed || now_unix_s / 86400 != g->day;

    g->is_use_changed = false;
    g->day = now_unix_s / 86400;
    /* From the end, for a dropped link takes its member away. */
    for (size_t i = g->count; i-- > 0;) {
        struct member m = g->members[i];
        const struct invite *v = invites_by_contributor(g->invites, m.contributor);

        if (v == NULL || v->is_gone || invite_is_expired(v, now_unix_s))
            host_link_drop(host, m.link);
        else if (is_changed)
            node_link_allow(node, m.link, invite_allowance(v, now_unix_s));
    }
}
