/* apps/daemon/api_messages.c - writing and reading over the local API. */
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/api_call.h"
#include "crypto/text.h"

static void friend_name(struct api_call *c, uint32_t number, char to[API_ARG_LEN_MAX + 1])
{
    struct friend_info f;

    /* The struct's strings are lent until the next call, and a listing makes many. */
    if (messenger_friend_info(c->parts->messenger, number, &f) != ERR_NONE || strlen(f.name) > API_ARG_LEN_MAX)
        strcpy(to, "unknown");
    else
        strcpy(to, f.name);
}

void api_answer_message(struct api_call *c, int status, const char *id)
{
    char name[API_ARG_LEN_MAX + 1];
    struct message_info m;
    enum err e = messenger_message(c->parts->messenger, bytes_of_text(id), &m);

    if (e == ERR_NONE) {
        friend_name(c, m.friend_number, name);
        e = messenger_message(c->parts->messenger, bytes_of_text(id), &m);
    }
    if (e != ERR_NONE)
        api_fail(c, e, "the message");
    else
        api_answer(c, status, api_message_json(&m, name));
}

/* ---- Sending ---- */

void api_send_text(struct api_call *c, uint32_t number, struct bytes text, uint32_t life_s)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];

    enum err e = messenger_send_text(c->parts->messenger, number, text, life_s, c->wall_unix_s, c->now_ms, id);
    if (e == ERR_STATE) {
        api_refuse(c, 409, "state", "%u messages to this friend wait for an answer: send more when some are delivered or have expired",
                   (unsigned)MESSAGES_WAITING_MAX);
        return;
    }
    if (e == ERR_REFUSED) {
        api_refuse(c, 403, "refused", "you have blocked this person: `staffetta unblock` first");
        return;
    }
    if (e == ERR_FULL) {
        api_refuse(c, 507, "full", "your own share of the disk is full: free some space, raise `capacity`, or wait until "
                                   "what is under way is delivered");
        return;
    }
    if (e != ERR_NONE) {
        api_fail(c, e, "the message");
        return;
    }
    api_answer_message(c, 201, id);
}

void api_send(struct api_call *c)
{
    struct bytes text = bytes_of(NULL, 0);
    uint64_t life_s = 0;
    const struct api_field fields[] = {
        { "text", API_TEXT, true, 1, TEXT_LEN_MAX, &text }, { "life_s", API_COUNT, false, 0, 14 * 86400, &life_s },
    };
    uint32_t number;

    if (!api_fields(c, fields, 2) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    api_send_text(c, number, text, (uint32_t)life_s);
}

/* ---- Listing ---- */

struct listing {
    json_t *list;
    const char *name;            /* of the one friend, or NULL to look up in `names` */
    json_t *names;               /* number -> name */
    uint64_t limit;
    bool is_backwards;           /* visited from the newest; listed in the order of numbers all the same */
    uint32_t next;               /* number of the first that did not fit; 0: all did */
};

static bool add_message(void *ctx, const struct message_info *m)
{
    struct listing *l = ctx;
    const char *name = l->name;
    char key[16];

    if (json_array_size(l->list) == l->limit) {
        l->next = l->is_backwards ? m->number + 1 : m->number;
        return false;
    }
    if (name == NULL) {
        snprintf(key, sizeof key, "%u", (unsigned)m->friend_number);
        name = json_string_value(json_object_get(l->names, key));
    }
    json_t *o = api_message_json(m, name != NULL ? name : "unknown");
    return (l->is_backwards ? json_array_insert_new(l->list, 0, o) : json_array_append_new(l->list, o)) == 0;
}

static void answer_listing(struct api_call *c, struct listing *l, enum err e)
{
    if (e != ERR_NONE) {
        json_decref(l->list);
        api_fail(c, e, "the messages");
        return;
    }
    api_answer(c, 200, json_pack("{s:o, s:o}", "messages", l->list, "next",
                                 l->next != 0 ? json_integer((json_int_t)l->next) : json_null()));
}

void api_messages(struct api_call *c)
{
    uint64_t from = 0, before = UINT64_MAX, limit = API_PAGE_USUAL;
    const struct api_field query[] = {
        { "from", API_COUNT, false, 0, UINT32_MAX, &from }, { "limit", API_COUNT, false, 1, API_PAGE_MAX, &limit },
        { "before", API_COUNT, false, 0, UINT32_MAX, &before },
    };
    char name[API_ARG_LEN_MAX + 1];
    uint32_t number;

    if (!api_fields(c, NULL, 0) || !api_query(c, query, 3) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    friend_name(c, number, name);
    struct listing l = { .list = json_array(), .name = name, .limit = limit, .is_backwards = before != UINT64_MAX };
    if (l.is_backwards && from != 0) {
        json_decref(l.list);
        api_refuse(c, 400, "malformed", "\"from\" and \"before\" exclude each other");
        return;
    }
    answer_listing(c, &l, l.is_backwards
                              ? messenger_messages_before(c->parts->messenger, number, (uint32_t)before, add_message, &l)
                              : messenger_messages(c->parts->messenger, number, (uint32_t)from, add_message, &l));
}

static bool add_name(void *ctx, const struct friend_info *f)
{
    char key[16];

    snprintf(key, sizeof key, "%u", (unsigned)f->number);
    return json_object_set_new(ctx, key, json_string(f->name)) == 0;
}

void api_inbox(struct api_call *c)
{
    if (!api_fields(c, NULL, 0) || !api_needs_person(c))
        return;
    struct listing l = { .list = json_array(), .names = json_object(), .limit = API_PAGE_MAX };
    enum err e = messenger_friends(c->parts->messenger, add_name, l.names);
    if (e == ERR_NONE)
        e = messenger_inbox(c->parts->messenger, add_message, &l);
    json_decref(l.names);
    answer_listing(c, &l, e);
}

void api_read(struct api_call *c)
{
    uint64_t up_to = UINT32_MAX;
    const struct api_field fields[] = { { "number", API_COUNT, false, 0, UINT32_MAX, &up_to } };
    struct friend_info f;
    uint32_t number;

    if (!api_fields(c, fields, 1) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    enum err e = messenger_mark_read(c->parts->messenger, number, (uint32_t)up_to, c->wall_unix_s, c->now_ms);
    if (e == ERR_NONE)
        e = messenger_friend_info(c->parts->messenger, number, &f);
    if (e != ERR_NONE)
        api_fail(c, e, "the messages");
    else
        api_answer(c, 200, api_friend_json(&f));
}

/* ---- One message ---- */

struct search {
    const char *prefix;
    size_t len;
    unsigned found;
    char id[MESSAGE_ID_TEXT_LEN + 1];
};

static bool match_prefix(void *ctx, const struct message_info *m)
{
    struct search *s = ctx;

    if (strncmp(m->id, s->prefix, s->len) == 0) {
        memcpy(s->id, m->id, sizeof s->id);
        s->found++;
    }
    return s->found < 2;
}

struct numbers { uint32_t *at; size_t count, cap; };

static bool add_number(void *ctx, const struct friend_info *f)
{
    struct numbers *n = ctx;

    if (n->count == n->cap)
        return false;
    n->at[n->count++] = f->number;
    return true;
}

/* Every conversation with its last message: what a list of them shows. */
void api_conversations(struct api_call *c)
{
    struct numbers n = { malloc(FRIENDS_MAX * sizeof *n.at), 0, FRIENDS_MAX };
    json_t *list = json_array();
    enum err e = n.at == NULL ? ERR_NO_MEMORY : ERR_NONE;

    if (!api_fields(c, NULL, 0) || !api_needs_person(c))
        goto out;
    if (e == ERR_NONE)
        e = messenger_friends(c->parts->messenger, add_number, &n);
    for (size_t i = 0; e == ERR_NONE && i < n.count; i++) {
        char name[API_ARG_LEN_MAX + 1];
        struct friend_info f;

        if ((e = messenger_friend_info(c->parts->messenger, n.at[i], &f)) != ERR_NONE)
            break;
        json_t *friend_json = api_friend_json(&f);
        friend_name(c, n.at[i], name);
        struct listing last = { .list = json_array(), .name = name, .limit = 1 };
        e = messenger_messages_before(c->parts->messenger, n.at[i], 0, add_message, &last);
        json_t *m = json_array_get(last.list, 0);
        json_array_append_new(list, json_pack("{s:o, s:o}", "friend", friend_json, "last", m != NULL ? json_incref(m) : json_null()));
        json_decref(last.list);
    }
    if (e != ERR_NONE)
        api_fail(c, e, "the conversations");
    else
        api_answer(c, 200, json_pack("{s:O}", "conversations", list));
out:
    json_decref(list);
    free(n.at);
}

static enum err search_all(struct api_call *c, struct search *s)
{
    struct numbers n = { malloc(FRIENDS_MAX * sizeof *n.at), 0, FRIENDS_MAX };

    if (n.at == NULL)
        return ERR_NO_MEMORY;
    enum err e = messenger_friends(c->parts->messenger, add_number, &n);
    for (size_t i = 0; e == ERR_NONE && i < n.count && s->found < 2; i++)
        e = messenger_messages(c->parts->messenger, n.at[i], 0, match_prefix, s);
    free(n.at);
    return e;
}

bool api_find_message(struct api_call *c, const char *given, char id[MESSAGE_ID_TEXT_LEN + 1])
{
    size_t len = strlen(given);
    struct message_info m;
    enum err e;

    if (len > MESSAGE_ID_TEXT_LEN || strspn(given, "0123456789abcdef") != len) {
        api_refuse(c, 404, "not-found", "there is no message \"%.40s\": an id has %d hex digits", given, MESSAGE_ID_TEXT_LEN);
        return false;
    }
    if (len == MESSAGE_ID_TEXT_LEN) {
        if ((e = messenger_message(c->parts->messenger, bytes_of_text(given), &m)) == ERR_NONE) {
            memcpy(id, m.id, MESSAGE_ID_TEXT_LEN + 1);
            return true;
        }
    } else if (len < API_PREFIX_MIN) {
        api_refuse(c, 404, "not-found", "\"%s\" is too short for a message id: give at least %d digits", given, API_PREFIX_MIN);
        return false;
    } else {
        struct search s = { .prefix = given, .len = len };

        e = search_all(c, &s);
        if (e == ERR_NONE && s.found == 1) {
            memcpy(id, s.id, sizeof s.id);
            return true;
        }
        if (e == ERR_NONE && s.found > 1) {
            api_refuse(c, 404, "not-found", "several messages begin with \"%s\": give more digits", given);
            return false;
        }
        e = e == ERR_NONE ? ERR_NOT_FOUND : e;
    }
    if (e == ERR_NOT_FOUND)
        api_refuse(c, 404, "not-found", "there is no message \"%s\"; it may have been deleted or have disappeared", given);
    else
        api_fail(c, e, "the message");
    return false;
}

void api_message(struct api_call *c)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];

    if (api_fields(c, NULL, 0) && api_needs_person(c) && api_find_message(c, c->args[0], id))
        api_answer_message(c, 200, id);
}

void api_message_delete(struct api_call *c)
{
    char id[MESSAGE_ID_TEXT_LEN + 1];

    if (!api_fields(c, NULL, 0) || !api_needs_person(c) || !api_find_message(c, c->args[0], id))
        return;
    enum err e = messenger_message_delete(c->parts->messenger, bytes_of_text(id));
    if (e != ERR_NONE)
        api_fail(c, e, "the message");
    else
        api_answer(c, 200, json_pack("{s:s}", "deleted", id));
}

void api_events(struct api_call *c)
{
    if (!api_fields(c, NULL, 0))
        return;
    /* Also without an identity: one that comes later is told there. */
    c->reply->is_stream = true;
    api_answer(c, 200, json_object());
}
