/* mesh/contact.h - the conversation with one neighbour, from handshake to goodbye. Private to node.c and contact*.c.
 *
 * contact.c: life, frames, time. contact_hello.c: the handshake. What we have for them: contact_give.c what we push and offer,
 * contact_serve.c what they ask for, contact_custody.c what they acknowledge. What they have for us: contact_ask.c what they offer
 * and we ask for, contact_take.c what comes.
 */
#ifndef STA_MESH_CONTACT_H
#define STA_MESH_CONTACT_H

#include "mesh/core.h"
#include "mesh/link.h"
#include "mesh/mailbox.h"
#include "mesh/route.h"

enum {
    UNACKED_MAX        = 4096,          /* bundles sent and not acknowledged */
    WANTED_MAX         = 2 * OFFERS_MAX + 64,
    BLIND_MAX          = OFFERS_MAX,    /* short ids asked for and not yet come: asked blindly, as they say nothing of size */
    BLIND_LEN_MAX      = 4096,          /* what is asked for blindly and is larger is offered instead */
    EAGER_BYTES        = 16 * 1024,     /* pushed when a link starts, if as many are welcome */
    FIRST_FLIGHT_BYTES = 2 * 1024,      /* of them before the difference is known */
    FIRST_FLIGHT_MAX   = 8,             /* bundles */
    PUSHED_PART_MAX    = 4096,          /* a part of more must have been asked for */
    STALL_MS           = 60000,         /* without a bundle that was asked for */
    WAIT_LOOK_MS       = 20,            /* offers that wait for another link look again so often at most */
    WAIT_LOOK_LATE_MS  = 30000,         /* ... and so often without any news: a promise may have grown old */
    BETTER_LEN_MIN     = 16384,         /* bundles that wait for a better link than a slow one, */
    BETTER_LIKELY_MS   = 600000,        /* if there was one to anybody so lately, */
    BETTER_WAIT_MS     = 120000,        /* and not longer than this */
    CALM_EVERY_MS      = 10000,
    STATUS_EVERY_MS    = 10000,
    STATUS_STEP        = 5,             /* percent of fill worth telling */
    LAST_COPIES_MAX    = 256,           /* offered at once to who turns out to be nearer to the internet */
    BYE_MS             = 2000,          /* for the goodbye to be sent */
    CHUNK_MAX          = 4096,          /* of a large bundle in one frame: what a break can cost, and a text wait */
    POLL_MS            = 250,
};

enum phase { PHASE_HANDSHAKE, PHASE_READY, PHASE_LEAVING, PHASE_CLOSED };

/* ---- What we have for them ---- */

/* Something they asked for. `ref` says how, to be able to say that it is gone. */
struct wanted { uint64_t seq, ref; uint32_t offset; };

struct giving {
    uint64_t live_seq;                  /* all up to here were considered */
    struct ring offered;                /* uint64_t seq by offer number */
    uint64_t offered_first;             /* number of the first in the ring */
    struct ring urgent, small, large;   /* struct wanted */
    struct ring named;                  /* uint64_t seq: short ids they want to have offered, and what is offered again */
    struct ring gone;                   /* uint64_t ref */
    struct { bool is_active, is_begun; struct wanted want; uint32_t at, total; struct bundle_id id; struct carry carry; } part;
    struct ring sent;                   /* uint64_t seq of bundles sent, by number */
    uint64_t sent_first;                /* number of the first in the ring: all before are acknowledged */
    uint64_t first_flight[FIRST_FLIGHT_MAX];  /* seqs pushed in the first flight */
    size_t first_flight_count;
    bool is_first_flight_due;
    uint32_t refused_deadline_s;        /* the latest that they refused for quota: what ends no later is offered, not pushed */
    uint32_t eager_left;                /* bytes still welcome unasked */
    uint64_t reveal_serial;             /* passed on up to here */
};

/* ---- What they have for us ---- */

enum pending_state { PENDING_NEW, PENDING_WAITING, PENDING_ASKED, PENDING_DONE };
struct pending { struct bundle_id id; uint8_t which, size_code, state; };

struct exception { uint64_t index; uint8_t reason; };

struct taking {
    struct ring pending;                /* struct pending by offer number */
    uint64_t pending_first;             /* number of the first: all before are answered */
    uint64_t answered_told;
    uint64_t asked_bytes;               /* wanted by offer and not here */
    size_t new_count, waiting_count, asked_count;
    uint64_t looked_serial, looked_at_ms;
    uint64_t progress_at_ms;
    bool was_full;                      /* a sealed one was refused for quota: what is of unknown size is no longer asked for */
    bool is_sifted[CLASS_COUNT];        /* what is lacking was freed of what is not wanted */
    uint64_t received;                  /* bundles and whole parts */
    uint64_t committed, acked;          /* of them durable; acknowledged */
    uint64_t awaited;                   /* CLIENT: of them in the store, and not yet durable elsewhere (node_settled) */
    struct ring exceptions;             /* struct exception, index >= acked */
    struct { bool is_active; struct bundle_id id; struct carry carry; uint32_t at, total; struct partial *to; } part;
    struct ring reveals;                /* struct bundle_id: answers to offers of bundles that were revealed */
    struct rate rate;
};

struct contact {
    struct core *core;
    uint32_t id;
    enum phase phase;
    struct link_open how;
    struct link *link;
    uint64_t opened_ms, ready_ms, heard_ms, ping_ms;
    uint64_t useful_ms;                 /* when it began, or last brought a bundle that we kept, or lately took one */
    uint64_t ping_echo, ping_sent_ms;   /* echo 0: none under way */
    uint32_t rtt_ms;
    uint64_t bytes_in, bytes_out, bundles_in, bundles_out;
    bool is_friend;
    struct node_link_budget budget;
    bool is_address_written;            /* the caller knew an address, not an advert: it calls again for ever */
    uint8_t pushes_welcome;             /* KiB, as we stated; 0 before */

    uint64_t stated_seq;                /* newest durable bundle when our set sizes were stated */
    uint64_t stated[CLASS_COUNT];
    struct {
        uint64_t stated[CLASS_COUNT];
        uint32_t clock_min;
        bool is_trusted;
        uint8_t stamp_bits, fill_percent, pushes_welcome;
        struct nearness nearness;
        bool is_nearer;                 /* to the internet than we are, when it was told */
        uint32_t contributor;
    } peer;

    uint8_t sid_key[16];
    struct recon recon[CLASS_COUNT];    /* by class, as all such arrays */
    struct giving give;
    struct taking take;

    struct mailbox *mailbox;            /* CLIENT: what it fetches; NULL: nothing (yet) */
    struct buffer fetch;                /* UPLINK: the body of a FETCH that is due */
    uint64_t kept_bytes;                /* CLIENT: of bundles it brought */
    struct contact *next_due, *next_unsettled, *next_awaiting;   /* CLIENT: mesh/clients.h */
    bool is_due, is_unsettled, is_awaiting;

    bool is_pong_due, is_recognise_due, is_recognised, is_bye_due;
    uint64_t pong_echo;
    uint8_t tags[RECOGNITION_COUNT * RECOGNITION_LEN];
    uint8_t told_stamp_bits, told_fill;
    struct nearness told_nearness;
    uint64_t status_ms;
    enum bye_reason bye;
    uint64_t leaving_ms;

    bool was_settled;
    bool is_calm_heard;
    uint64_t calm_heard, calm_told, calm_told_ms;
};

enum err contact_new(struct contact **out, struct core *core, uint32_t id, const struct link_open *how);
void     contact_free(struct contact *c);

void contact_receive(struct contact *c, struct bytes in);
bool contact_next_frame(struct contact *c, struct bytes *out);
void contact_wake(struct contact *c);
/* A ping, or what is told now and then, is due. */
bool contact_is_talk_due(const struct contact *c);
uint64_t contact_wake_at_ms(const struct contact *c);

/* Everything decided so far is durable. */
void contact_committed(struct contact *c);

/* Says goodbye; closed once that is sent. */
void contact_leave(struct contact *c, enum bye_reason why);
/* Ends it now. A fault is the peer's. */
void contact_close(struct contact *c, enum err why, bool is_fault);

/* The other end is a gateway, or we are and this is a user. */
static inline bool contact_is_mailbox(const struct contact *c)
{
    return c->how.kind == LINK_UPLINK || c->how.kind == LINK_CLIENT;
}

/* A neighbour on a link that large bundles are welcome to take. */
static inline bool contact_is_fast(const struct contact *c)
{
    return !c->how.is_slow && !contact_is_mailbox(c) && (c->phase == PHASE_READY || c->phase == PHASE_LEAVING);
}

/* What we fetch from a gateway is ours, hidden among decoys: no stranger's. */
static inline bool contact_is_trusted(const struct contact *c)
{
    return c->is_friend || c->how.kind == LINK_UPLINK;
}

/* What a user of a gateway may bring (its invite says how much). */
static inline bool contact_is_allowed(const struct contact *c, uint32_t len)
{
    return c->how.kind != LINK_CLIENT || c->how.allowance == UINT64_MAX ||
           (c->kept_bytes <= c->how.allowance && len <= c->how.allowance - c->kept_bytes);
}

/* What a metered link may still carry (node_link_limit): what was asked for counts as if it were here. */
static inline bool contact_has_budget(const struct contact *c, uint32_t len)
{
    uint64_t carried = c->bytes_in + c->bytes_out + c->take.asked_bytes;

    return carried < (len > c->budget.small_len ? c->budget.large_until : c->budget.all_until);
}

/* Reconciled, and nothing is under way either way. */
bool contact_is_settled(const struct contact *c);

void contact_route_peer(const struct contact *c, struct route_peer *out);

/* ---- contact_hello.c ---- */

/* A message of the handshake came, or is owed (nothing is written when none is). After the last the contact is ready. */
enum err hello_hear(struct contact *c, struct bytes payload);
enum err hello_say(struct contact *c, struct writer *w);

/* ---- contact_give.c ---- */
void give_init(struct contact *c);
void give_clear(struct contact *c);
/* Records for them, as they fit. ERR_NO_MEMORY ends the link. */
enum err give_write(struct contact *c, struct writer *w);
/* Offers it although it was considered before: it is worth more to them now. */
void give_again(struct contact *c, uint64_t seq);
bool give_is_idle(const struct contact *c);
/* A user's FETCH. */
enum err give_on_fetch(struct contact *c, const uint8_t *cursor, struct bytes prefixes);
uint64_t give_left(const struct contact *c);

const struct store_entry *give_entry(const struct contact *c, uint64_t seq);      /* NULL: no longer carried */
bool give_is_givable(struct contact *c, const struct store_entry *e);
bool give_fits_a_frame(const struct contact *c, uint32_t len);
/* Writes a bundle in one record and counts it sent. */
enum sent { SENT, SENT_NO_ROOM, SENT_IMPOSSIBLE };
enum sent give_whole(struct contact *c, const struct store_entry *e, struct writer *w);
enum err give_count_sent(struct contact *c, uint64_t seq);

/* ---- contact_serve.c ---- */
enum err serve_on_want(struct contact *c, uint64_t answered, struct bytes wants);
enum err serve_on_ask(struct contact *c, uint8_t which, bool is_name, struct sids sids);
void serve_say_gone(struct contact *c, uint64_t ref);
/* What goes before all else, and what goes after what we push and offer. */
void serve_write_first(struct contact *c, struct writer *w);
enum err serve_write(struct contact *c, struct writer *w);

/* ---- contact_custody.c ---- */
enum err custody_on_ack(struct contact *c, uint64_t count, struct bytes exceptions);
/* Their set shows that they carry this bundle of ours. */
void custody_note_carried(struct contact *c, uint64_t seq);

/* ---- contact_ask.c ---- */
enum err ask_on_offer(struct contact *c, uint8_t which, uint8_t size_code, struct ids ids);
void ask_write(struct contact *c, struct writer *w);
void ask_set_state(struct taking *t, struct pending *p, enum pending_state state);
void ask_pop_answered(struct taking *t);
/* What we wait for still comes: patience starts anew. */
void ask_note_progress(struct contact *c);
/* If the bundle was removed because of an anti-packet, they should know. */
void ask_answer_with_reveal(struct contact *c, const struct bundle_id *id);
/* The want that this bundle answers is over; false when it was not ours. */
bool ask_end_want(struct contact *c, const struct bundle_id *id);
void ask_anew(struct contact *c, const struct bundle_id *id);
uint64_t ask_look_at_ms(const struct contact *c);

/* ---- contact_take.c ---- */
void take_init(struct contact *c);
void take_clear(struct contact *c);
enum err take_write_acks(struct contact *c, struct writer *w);
enum err take_on_bundle(struct contact *c, struct carry carry, struct bytes bundle);
enum err take_on_part(struct contact *c, const struct bundle_id *id, struct carry carry, uint32_t total, uint32_t offset,
                      struct bytes bytes);
enum err take_on_chunk(struct contact *c, struct bytes bytes);
enum err take_on_gone_offers(struct contact *c, struct bytes numbers);
enum err take_on_gone_sids(struct contact *c, uint8_t which, struct sids sids);
/* A bundle came over another link. */
void take_note_stored(struct contact *c, const struct bundle_id *id);
void take_wake(struct contact *c);
uint64_t take_wake_at_ms(const struct contact *c);
bool take_is_idle(const struct contact *c);
uint64_t take_left(const struct contact *c);

#endif
