/* apps/daemon/api_json.c - friends, messages and events as JSON (docs/api.md). */
#include <string.h>

#include "apps/daemon/api_call.h"
#include "apps/messenger/media.h"
#include "apps/profile/units.h"

json_t *api_time(uint64_t unix_s)
{
    char text[UNITS_RFC3339_LEN + 1];

    if (unix_s == 0)
        return json_null();
    units_rfc3339(text, unix_s);
    return json_string(text);
}

/* An incoming message has been delivered, to us, and is read once it was shown. */
static const char *state_name(const struct message_info *m)
{
    switch (m->state) {
    case MESSAGE_QUEUED: return "queued";
    case MESSAGE_CARRIED: return "carried";
    case MESSAGE_GATEWAY: return "gateway";
    case MESSAGE_DELIVERED: return "delivered";
    case MESSAGE_READ: return "read";
    case MESSAGE_EXPIRED: return "expired";
    case MESSAGE_RECEIVED: return m->read_unix_s != 0 ? "read" : "delivered";
    }
    return "queued";
}

/* A gateway that a friend passes on: its addresses, in place of a link nobody reads. */
static void set_gateways(json_t *o, struct bytes text)
{
    struct gateway_link *l = calloc(1, sizeof *l);

    if (l != NULL && gateway_link_is_text(text, l)) {
        json_t *list = json_array();

        for (size_t i = 0; i < l->count; i++)
            json_array_append_new(list, json_sprintf("%s:%u", l->gateways[i].addresses[0].host, (unsigned)l->gateways[i].addresses[0].port));
        json_object_set_new(o, "gateways", list);
    }
    if (l != NULL)
        profile_wipe(l, sizeof *l);
    free(l);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

/* What people did with it. */
static void set_talk(json_t *o, const struct message_info *m)
{
    static const char *const kinds[KIND_COUNT] = { "text", "media", "sos", "status", "form", "system" };
    json_t *reactions = json_array(), *mentions = json_array();

    for (unsigned i = 0; i < m->reaction_count; i++)
        json_array_append_new(reactions, json_pack("{s:o, s:s}", "from", text_or_null(m->reactions[i].from), "emoji", m->reactions[i].text));
    for (unsigned i = 0; i < m->mention_count; i++)
        json_array_append_new(mentions, json_string(m->mentions[i]));
    json_object_set_new(o, "kind", json_string(kinds[m->kind]));
    json_object_set_new(o, "from", text_or_null(m->from));
    json_object_set_new(o, "group", json_null());
    json_object_set_new(o, "reply_to", text_or_null(m->reply_to));
    json_object_set_new(o, "edited", api_time(m->edited_unix_s));
    json_object_set_new(o, "deleted", json_boolean(m->is_deleted));
    json_object_set_new(o, "reactions", reactions);
    json_object_set_new(o, "mentions", mentions);
    json_object_set_new(o, "introduces", m->introduces[0] == '\0' ? json_null()
                                             : json_pack("{s:s, s:o, s:b}", "name", m->introduces, "known", text_or_null(m->introduces_known),
                                                         "me", m->introduces_me));
}

json_t *api_message_json(const struct message_info *m, const char *friend_name)
{
    /* The first seven keys are those that DESIGN names and scripts rely on; "friend" stays "unknown" at worst, never missing. */
    json_t *o = json_pack("{s:s, s:s, s:s, s:s%, s:o, s:s, s:i, s:i, s:i, s:b}",
                          "id", m->id, "friend", friend_name, "direction", m->is_incoming ? "in" : "out",
                          "text", m->text != NULL ? m->text : "", m->text != NULL ? m->text_len : (size_t)0,
                          "time", api_time(m->time_unix_s), "state", state_name(m), "copies", (int)m->copies,
                          "number", (int)m->number, "tries", (int)m->tries, "unreadable", m->is_unreadable);
    if (o == NULL)
        return NULL;
    const struct { const char *key; uint64_t unix_s; } times[] = {
        { "arrived", m->arrived_unix_s }, { "carried", m->carried_unix_s }, { "gateway", m->gateway_unix_s },
        { "delivered", m->delivered_unix_s }, { "read", m->read_unix_s }, { "expires", m->expires_unix_s },
        { "next_try", m->next_try_unix_s },
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        json_object_set_new(o, times[i].key, api_time(times[i].unix_s));
    if (m->text != NULL)
        set_gateways(o, bytes_of(m->text, m->text_len));
    json_object_set_new(o, "disappear_s", json_integer((json_int_t)m->disappear_s));
    json_object_set_new(o, "reason", json_string(m->reason != NULL ? m->reason : ""));
    set_talk(o, m);
    json_object_set_new(o, "media", m->media != NULL ? api_media_json(m->media, friend_name) : json_null());
    return o;
}

json_t *api_media_json(const struct media_info *i, const char *friend_name)
{
    static const char *const kinds[MEDIA_KIND_COUNT] = { "file", "photo", "voice", "video" };
    static const char *const states[] = { "preparing", "waiting", "going", "coming", "complete", "stopped", "broken", "freed" };
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:i, s:i, s:I, s:i, s:I, s:s}",
                          "id", i->id, "friend", friend_name, "direction", i->is_incoming ? "in" : "out", "time", api_time(i->time_unix_s),
                          "kind", kinds[i->kind], "name", i->name, "type", i->type, "size", (json_int_t)i->size, "width", (int)i->width,
                          "height", (int)i->height, "duration_ms", (json_int_t)i->duration_ms, "preview", (int)i->preview_len,
                          "light", (json_int_t)i->light_size, "state", states[i->state]);
    const struct { const char *key; uint32_t value; } counts[] = {
        { "chunks", i->chunks }, { "needed", i->needed }, { "have", i->have }, { "carried", i->carried }, { "couriers", i->couriers },
        { "light_needed", i->light_needed }, { "light_have", i->light_have },
    };

    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++)
        json_object_set_new(o, counts[n].key, json_integer((json_int_t)counts[n].value));
    json_object_set_new(o, "kept", json_boolean(i->is_kept));
    json_object_set_new(o, "wanted", json_boolean(i->is_wanted));
    json_object_set_new(o, "here", json_boolean(i->is_here));
    json_object_set_new(o, "light_here", json_boolean(i->is_light_here));
    json_object_set_new(o, "reason", json_string(i->reason));
    return o;
}

json_t *api_friend_json(const struct friend_info *f)
{
    static const char *const states[] = {
        [FRIEND_ADDED] = "added", [FRIEND_CONNECTED] = "connected", [FRIEND_VERIFIED] = "verified",
    };

    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:i, s:i, s:I, s:o}", "name", f->name, "card_name", f->card_name,
                     "state", states[f->state], "request", f->is_request, "blocked", f->is_blocked, "last_heard", api_time(f->last_heard_unix_s),
                     "unread", (int)f->unread, "messages", (int)f->message_count, "disappear_s", (json_int_t)f->disappear_s,
                     "introduced_by", text_or_null(f->introduced_by));
}

json_t *api_event(struct parts *p, const struct messenger_event *event, const char **name)
{
    struct friend_info f;
    struct message_info m;
    struct media_info media;
    json_t *about = NULL;

    if (p->messenger == NULL || messenger_friend_info(p->messenger, event->friend_number, &f) != ERR_NONE) {
        /* A friend who was removed since; the message may be gone with it. */
        *name = event->kind == MESSENGER_FRIEND ? "friend" : "gone";
        return json_pack("{s:n, s:s}", "friend", "id", event->message_id);
    }
    json_t *friend_json = api_friend_json(&f);
    switch (event->kind) {
    case MESSENGER_MESSAGE:
    case MESSENGER_STATE:
        *name = event->kind == MESSENGER_MESSAGE ? "message" : "state";
        if (messenger_message(p->messenger, bytes_of_text(event->message_id), &m) == ERR_NONE)
            about = api_message_json(&m, json_string_value(json_object_get(friend_json, "name")));
        break;
    case MESSENGER_GONE:
        *name = "gone";
        about = json_pack("{s:O, s:s}", "friend", json_object_get(friend_json, "name"), "id", event->message_id);
        break;
    case MESSENGER_MEDIA:
        *name = "media";
        if (messenger_media(p->messenger, bytes_of_text(event->message_id), &media) == ERR_NONE)
            about = api_media_json(&media, json_string_value(json_object_get(friend_json, "name")));
        break;
    case MESSENGER_FRIEND:
        *name = "friend";
        about = json_incref(friend_json);
        break;
    }
    json_decref(friend_json);
    return about;
}
