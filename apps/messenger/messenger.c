/* apps/messenger/messenger.c - open and close, time, the turn. */
#include <stdlib.h>
#include <string.h>

#include "apps/messenger/state.h"
#include "crypto/hash.h"

static const char SETTINGS_NAME[] = "settings";

/* ---- Common ground of this room ---- */

enum err messenger_fail(struct messenger *m, enum err e)
{
    if (e != ERR_NONE && e != ERR_NOT_FOUND && m->failed == ERR_NONE)
        m->failed = e;
    return e;
}

struct buffer *messenger_record(struct messenger *m)
{
    if (m->record.len > 0)
        secret_wipe(m->record.at, m->record.len);
    m->record.len = 0;
    return &m->record;
}

uint64_t messenger_clock_s(const struct messenger *m)
{
    return m->base_s + (m->now_ms - m->base_ms) / 1000;
}

uint32_t messenger_day(const struct messenger *m)
{
    return day_of_unix(m->wall_unix_s);
}

static void day_begins(struct messenger *m)
{
    m->day_ends_ms = m->now_ms + (86400 - m->wall_unix_s % 86400) * 1000;
}

void messenger_at(struct messenger *m, uint64_t wall_unix_s, uint64_t now_ms)
{
    if (!m->is_clock_set) {
        m->is_clock_set = true;
        m->base_ms = m->now_ms = now_ms;
    }
    if (now_ms > m->now_ms)
        m->now_ms = now_ms;
    if (wall_unix_s != 0)
        m->wall_unix_s = wall_unix_s;
    if (m->day_ends_ms == 0)
        day_begins(m);
}

uint64_t messenger_soon_s(struct messenger *m)
{
    uint32_t delay = m->config.receipt_delay_s < RECEIPT_DELAY_MAX_S ? m->config.receipt_delay_s : RECEIPT_DELAY_MAX_S;

    return messenger_clock_s(m) + rng_below(&m->config.rng, delay + 1);
}

void messenger_tell(struct messenger *m, enum messenger_event_kind kind, uint32_t friend_number,
                    const struct message_id *id)
{
    struct messenger_event e;

    memset(&e, 0, sizeof e);
    e.kind = kind;
    e.friend_number = friend_number;
    if (id != NULL)
        message_id_text(id, e.message_id);
    if (m->event_count == m->event_cap) {
        uint32_t cap = m->event_cap == 0 ? 16 : m->event_cap * 2;
        struct messenger_event *more = cap <= EVENTS_MAX ? realloc(m->events, cap * sizeof *more) : NULL;

        /* Nobody listens, or memory is short: events only tell what can be asked for. */
        if (more == NULL)
            return;
        m->events = more;
        m->event_cap = cap;
    }
    m->events[m->event_count++] = e;
}

bool messenger_next_event(struct messenger *m, struct messenger_event *out)
{
    if (m->event_first == m->event_count) {
        m->event_first = m->event_count = 0;
        return false;
    }
    *out = m->events[m->event_first++];
    return true;
}

/* ---- Settings ---- */

static enum err settings_save(struct messenger *m)
{
    struct buffer *b = messenger_record(m);
    enum err e;

    m->settings.clock_s = messenger_clock_s(m);
    m->settings.clock_wall_unix_s = m->wall_unix_s;
    m->saved_s = m->settings.clock_s;
    if ((e = settings_encode(&m->settings, b)) != ERR_NONE)
        return e;
    return archive_put(m->config.archive, ARCHIVE_SELF, bytes_of_text(SETTINGS_NAME), buffer_bytes(b));
}

/* The clock goes on by what the wall clock says passed since, if that is believable. */
static enum err settings_load(struct messenger *m)
{
    struct bytes in;
    enum err e = archive_get(m->config.archive, ARCHIVE_SELF, bytes_of_text(SETTINGS_NAME), &in);

    if (e == ERR_NONE)
        e = settings_decode(&m->settings, in);
    if (e != ERR_NONE)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    m->base_s = m->settings.clock_s;
    if (m->wall_unix_s > m->settings.clock_wall_unix_s && m->wall_unix_s - m->settings.clock_wall_unix_s <= OFF_MAX_S)
        m->base_s += m->wall_unix_s - m->settings.clock_wall_unix_s;
    m->saved_s = m->base_s;
    return ERR_NONE;
}

enum err messenger_settle(struct messenger *m)
{
    enum err e = m->failed;

    if (messenger_clock_s(m) >= m->saved_s + CLOCK_SAVE_S && m->is_any_dirty)
        m->is_settings_dirty = true;
    if (e == ERR_NONE)
        e = media_settle(m);
    if (!m->is_any_dirty && !m->is_settings_dirty)
        return messenger_fail(m, e);
    for (uint32_t i = 0; i < m->friend_count && e == ERR_NONE; i++) {
        if (m->friends[i]->dirty != 0)
            e = friend_save(m, m->friends[i]);
    }
    if (e == ERR_NONE)
        e = conversations_save(m);
    if (e == ERR_NONE && (m->is_identity_dirty || m->is_used_dirty))
        e = self_save(m);
    if (e == ERR_NONE && m->is_settings_dirty)
        e = settings_save(m);
    messenger_record(m);
    m->is_any_dirty = m->is_settings_dirty = false;
    return messenger_fail(m, e);
}

/* ---- Birth ---- */

enum err messenger_begin(struct messenger *m, const struct messenger_config *config)
{
    struct bytes in;
    enum err e;

    if ((e = crypto_start()) != ERR_NONE)
        return e;
    e = archive_get(config->archive, ARCHIVE_SELF, bytes_of_text(SETTINGS_NAME), &in);
    if (e != ERR_NOT_FOUND)
        return e == ERR_NONE ? ERR_EXISTS : e;
    memset(m, 0, sizeof *m);
    m->config = *config;
    m->record = buffer_of_limit(RECORD_LEN_MAX);
    m->wall_unix_s = config->wall_unix_s;
    m->settings.is_marking_read = true;
    m->settings.next_friend = 1;
    m->settings.next_rank = 1;
    m->base_s = 1;   /* 0 means never */
    m->settings.tended_day = messenger_day(m);
    return ERR_NONE;
}

void messenger_end(struct messenger *m)
{
    messenger_record(m);
    buffer_clear(&m->record);
    friends_free(m);
    identity_free(m->identity);
    free(m->events);
    secret_wipe(m, sizeof *m);
}

enum err messenger_init(const struct messenger_config *config, struct bytes name)
{
    struct messenger m;
    enum err e = messenger_begin(&m, config);

    if (e != ERR_NONE)
        return e;
    if ((e = identity_new(&m.identity, name, messenger_day(&m), &config->rng)) == ERR_NONE) {
        m.is_identity_dirty = m.is_settings_dirty = true;
        e = messenger_settle(&m);
    }
    messenger_end(&m);
    return e;
}

static bool note_sealed(void *ctx, const struct store_entry *entry)
{
    struct watch *w = ctx;
    struct expected x;

    if (entry->contributor == 0 && entry->quota_class == QUOTA_OWN)
        return true;   /* made here */
    if (watch_find(w, entry->tag, 0, &x))
        watch_found(w, entry);
    else
        watch_stray(w, entry);
    return true;
}

/* A database from before its generation: what sessions and acknowledgements came after it is lost here. */
static void forget_sessions(struct messenger *m)
{
    for (uint32_t i = 0; i < m->friend_count; i++) {
        struct friend *f = m->friends[i];

        slots_drop_but(m, f, -1);
        if (f->r.flags & FRIEND_HEARD && !(f->r.flags & (FRIEND_REQUEST | FRIEND_IS_BLOCKED))) {
            f->r.reset_due_s = messenger_soon_s(m) + 1;
            f->r.reset_tries = 0;
        }
        friend_touch(m, f, DIRTY_FRIEND);
        outbox_hurry(m, f);
    }
}

enum err messenger_open(struct messenger **out, const struct messenger_config *config)
{
    struct messenger *m = calloc(1, sizeof *m);
    enum err e;

    if (m == NULL)
        return ERR_NO_MEMORY;
    m->config = *config;
    m->wall_unix_s = config->wall_unix_s;
    m->record = buffer_of_limit(RECORD_LEN_MAX);
    m->bundle = malloc(BUNDLE_LEN_MAX);
    m->payload = malloc(BUNDLE_LEN_MAX);
    m->plain = malloc(PLAIN_MAX);
    m->text = malloc(TEXT_LEN_MAX + 1);
    if (m->plain == NULL || m->bundle == NULL || m->payload == NULL || m->text == NULL)
        e = ERR_NO_MEMORY;
    else if ((e = crypto_start()) == ERR_NONE && (e = self_load(m)) == ERR_NONE && (e = settings_load(m)) == ERR_NONE &&
             (e = friends_load(m)) == ERR_NONE && (e = conversations_load(m)) == ERR_NONE &&
             (e = watch_new(&m->watch, m)) == ERR_NONE) {
        if (config->has_been_restored)
            forget_sessions(m);
        self_tend(m);
        if ((e = watch_rebuild(m->watch)) == ERR_NONE && config->store != NULL)
            store_walk(config->store, CLASS_SEALED, note_sealed, m->watch);
        if (e == ERR_NONE)
            e = media_open(m);
        if (e == ERR_NONE)
            e = messenger_settle(m);
    }
    if (e != ERR_NONE) {
        messenger_close(m);
        return e;
    }
    *out = m;
    return ERR_NONE;
}

void messenger_close(struct messenger *m)
{
    if (m == NULL)
        return;
    media_close(m);
    watch_free(m->watch);
    friends_free(m);
    conversations_free(m);
    identity_free(m->identity);
    used_list_clear(&m->used);
    messenger_record(m);
    buffer_clear(&m->record);
    if (m->payload != NULL)
        secret_wipe(m->payload, BUNDLE_LEN_MAX);
    if (m->text != NULL)
        secret_wipe(m->text, TEXT_LEN_MAX + 1);
    if (m->plain != NULL)
        secret_wipe(m->plain, PLAIN_MAX);
    free(m->plain);
    free(m->payload);
    free(m->bundle);
    free(m->text);
    free(m->events);
    secret_wipe(m, sizeof *m);
    free(m);
}

enum err messenger_set_read_marks(struct messenger *m, bool is_on)
{
    m->settings.is_marking_read = is_on;
    m->is_settings_dirty = true;
    return messenger_settle(m);
}

/* ---- The turn ---- */

/* True when one of the tag's meanings was right. */
static bool open_as_expected(struct messenger *m, const struct store_entry *entry)
{
    struct expected x;
    bool is_early = false;

    for (unsigned nth = 0; m->failed == ERR_NONE && watch_find(m->watch, entry->tag, nth, &x); nth++) {
        enum err e = arrival_open(m, entry, &x);

        if (e == ERR_NONE)
            return true;
        is_early = is_early || e == ERR_TOO_LARGE;
    }
    if (is_early)
        watch_early(m->watch, entry);
    return false;
}

/* Opening one bundle moves a window on, which may find the next. */
static void open_found(struct messenger *m)
{
    uint64_t seq;

    while (m->failed == ERR_NONE && watch_next_found(m->watch, &seq)) {
        const struct store_entry *entry = store_find_seq(m->config.store, seq);

        if (entry != NULL) {
            struct store_entry copy = *entry;

            (void)open_as_expected(m, &copy);
        }
    }
}

void messenger_on_event(struct messenger *m, const struct node_event *event, uint64_t wall_unix_s, uint64_t now_ms)
{
    messenger_at(m, wall_unix_s, now_ms);
    if (m->failed != ERR_NONE)
        return;
    switch (event->kind) {
    case NODE_STORED:
        if (event->entry.bundle_class == CLASS_SEALED) {
            /* What did not open now may when more is known. */
            if (!media_on_event(m, event) && !open_as_expected(m, &event->entry) && m->failed == ERR_NONE &&
                store_find_seq(m->config.store, event->entry.seq) != NULL)
                watch_stray(m->watch, &event->entry);
            open_found(m);
        }
        break;
    case NODE_CARRIED:
        if (!media_on_event(m, event))
            outbox_on_carried(m, event);
        break;
    case NODE_STAMP_WANTED:
        outbox_on_stamp_wanted(m, event);
        break;
    case NODE_DROPPED:
        watch_dropped(m->watch, &event->entry);
        if (!media_on_event(m, event))
            outbox_on_dropped(m, event);
        break;
    case NODE_LINK_READY:
    case NODE_LINK_CLOSED:
        media_on_link(m, event);
        break;
    default:
        break;
    }
    messenger_settle(m);
}

static void friend_wake(struct messenger *m, struct friend *f)
{
    conversation_wake(m, &f->talk);
    receipts_wake(m, f);
    outbox_wake(m, f);
    friend_touch(m, f, 0);
}

void messenger_wake(struct messenger *m, uint64_t wall_unix_s, uint64_t now_ms)
{
    messenger_at(m, wall_unix_s, now_ms);
    if (m->failed != ERR_NONE)
        return;
    if (messenger_day(m) != m->settings.tended_day) {
        self_tend(m);
        messenger_fail(m, watch_rebuild(m->watch));
    }
    if (m->now_ms >= m->day_ends_ms)
        day_begins(m);
    for (uint32_t i = 0; i < m->friend_count && m->failed == ERR_NONE; i++) {
        if (m->friends[i]->due_s <= messenger_clock_s(m))
            friend_wake(m, m->friends[i]);
    }
    conversations_wake(m);
    if (m->failed == ERR_NONE && watch_due_s(m->watch) <= messenger_clock_s(m))
        messenger_fail(m, watch_wake(m->watch));
    open_found(m);
    media_wake(m);
    messenger_settle(m);
}

uint64_t messenger_wake_at_ms(const struct messenger *m)
{
    uint64_t due_s = watch_due_s(m->watch), media_s = media_due_s(m);

    if (m->failed != ERR_NONE)
        return UINT64_MAX;
    for (uint32_t i = 0; i < m->friend_count; i++) {
        if (m->friends[i]->due_s < due_s)
            due_s = m->friends[i]->due_s;
    }
    if (media_s < due_s)
        due_s = media_s;
    if (conversations_due_s(m) < due_s)
        due_s = conversations_due_s(m);
    uint64_t at_ms = m->day_ends_ms;
    if (due_s <= messenger_clock_s(m) || messenger_day(m) != m->settings.tended_day)
        return m->now_ms;
    if (due_s != UINT64_MAX && m->base_ms + (due_s - m->base_s) * 1000 < at_ms)
        at_ms = m->base_ms + (due_s - m->base_s) * 1000;
    return at_ms;
}
