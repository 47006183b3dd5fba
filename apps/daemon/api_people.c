/* apps/daemon/api_people.c - card, invites and friends over the local API. */
#include <string.h>

#include "apps/daemon/api_call.h"
#include "crypto/text.h"

bool api_friend(struct api_call *c, uint32_t *number)
{
    enum err e = messenger_friend_find(c->parts->messenger, bytes_of_text(c->args[0]), number);

    if (e == ERR_NONE)
        return true;
    if (e == ERR_NOT_FOUND)
        api_refuse(c, 404, "not-found", "there is no friend \"%.100s\"; `staffetta friends` lists them", c->args[0]);
    else
        api_fail(c, e, "the address book");
    return false;
}

static void answer_friend(struct api_call *c, int status, uint32_t number)
{
    struct friend_info f;
    enum err e = messenger_friend_info(c->parts->messenger, number, &f);

    if (e != ERR_NONE)
        api_fail(c, e, "the friend");
    else
        api_answer(c, status, api_friend_json(&f));
}

static bool is_control_free(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < 0x20 || text.at[i] == 0x7f)
            return false;
    return true;
}

void api_card(struct api_call *c)
{
    char link[CARD_LINK_MAX];

    if (!api_fields(c, NULL, 0) || !api_needs_person(c))
        return;
    messenger_card_link(c->parts->messenger, link);
    api_answer(c, 200, json_pack("{s:s, s:s}", "name", messenger_name(c->parts->messenger), "link", link));
}

void api_invite(struct api_call *c)
{
    char link[CARD_LINK_MAX];

    if (!api_fields(c, NULL, 0) || !api_needs_person(c))
        return;
    enum err e = messenger_invite_link(c->parts->messenger, link);
    c->parts->is_mailbox_stale = true;
    if (e != ERR_NONE)
        api_fail(c, e, "the invite");
    else
        api_answer(c, 201, json_pack("{s:s, s:s}", "name", messenger_name(c->parts->messenger), "link", link));
}

static bool add_to_list(void *ctx, const struct friend_info *info)
{
    return json_array_append_new(ctx, api_friend_json(info)) == 0;
}

void api_friends(struct api_call *c)
{
    json_t *list = json_array();

    if (!api_fields(c, NULL, 0) || !api_needs_person(c)) {
        json_decref(list);
        return;
    }
    enum err e = messenger_friends(c->parts->messenger, add_to_list, list);
    if (e != ERR_NONE) {
        json_decref(list);
        api_fail(c, e, "the address book");
        return;
    }
    api_answer(c, 200, json_pack("{s:o}", "friends", list));
}

/* Why a link is no good, in words that say what to do. */
static void refuse_link(struct api_call *c, enum err e)
{
    switch (e) {
    case ERR_MALFORMED:
        api_refuse(c, 422, "bad-link", "this is no Staffetta link: copy it whole, from \"staffetta:#\" to its end");
        break;
    case ERR_AUTH:
        api_refuse(c, 422, "bad-link", "the link is damaged: a character was changed or lost on the way; copy it again");
        break;
    case ERR_VERSION:
        api_refuse(c, 422, "bad-link", "the link was made by a newer version of Staffetta: update this one");
        break;
    case ERR_EXPIRED:
        api_refuse(c, 422, "bad-link", "the link has expired: ask for a new one");
        break;
    case ERR_REFUSED:
        api_refuse(c, 403, "refused", "this is your own card: give it to a friend, and add theirs");
        break;
    case ERR_FULL:
    case ERR_TOO_LARGE:
        api_refuse(c, 507, "full", "the address book is full (%d friends)", FRIENDS_MAX);
        break;
    default:
        api_fail(c, e, "the link");
        break;
    }
}

void api_friend_add(struct api_call *c)
{
    struct bytes link = bytes_of(NULL, 0), message = bytes_of(NULL, 0), as = bytes_of(NULL, 0);
    char given[MESSAGE_ID_TEXT_LEN + 1], id[MESSAGE_ID_TEXT_LEN + 1];
    uint32_t number = 0;
    const struct api_field fields[] = {
        { "link", API_TEXT, false, 1, 2000, &link }, { "message", API_TEXT, false, 1, MESSAGE_ID_TEXT_LEN, &message },
        { "as", API_TEXT, false, 1, CARD_NAME_MAX, &as },
    };

    if (!api_fields(c, fields, 3) || !api_needs_person(c))
        return;
    if ((link.len > 0) == (message.len > 0)) {
        api_refuse(c, 400, "malformed", "give either a link, or the id of a message that introduces somebody");
        return;
    }
    if (!is_control_free(as)) {
        api_refuse(c, 400, "bad-name", "the name holds a control character");
        return;
    }
    snprintf(given, sizeof given, "%.*s", (int)message.len, (const char *)message.at);
    if (message.len > 0 && !api_find_message(c, given, id))
        return;
    enum err e = message.len > 0 ? messenger_introduced_add(c->parts->messenger, bytes_of_text(id), as, c->wall_unix_s, &number)
                                 : messenger_friend_add(c->parts->messenger, link, as, c->wall_unix_s, &number);
    if (e == ERR_NONE || e == ERR_EXISTS)
        answer_friend(c, e == ERR_NONE ? 201 : 200, number);
    else if (e == ERR_MALFORMED && message.len > 0)
        api_refuse(c, 422, "bad-link", "this message introduces nobody");
    else
        refuse_link(c, e);
}

void api_introduce(struct api_call *c)
{
    struct bytes to = bytes_of(NULL, 0);
    const struct api_field fields[] = { { "to", API_TEXT, true, 1, API_ARG_LEN_MAX, &to } };
    char ids[2][MESSAGE_ID_TEXT_LEN + 1];
    uint32_t one, other;

    if (!api_fields(c, fields, 1) || !api_needs_person(c) || !api_friend(c, &one))
        return;
    if (messenger_friend_find(c->parts->messenger, to, &other) != ERR_NONE) {
        api_refuse(c, 404, "not-found", "there is no friend \"%.*s\"; `staffetta friends` lists them", (int)(to.len < 100 ? to.len : 100), (const char *)to.at);
        return;
    }
    enum err e = messenger_introduce(c->parts->messenger, one, other, c->wall_unix_s, c->now_ms, ids);
    if (e == ERR_REFUSED)
        api_refuse(c, 403, "refused", "an introduction takes two friends whom you have accepted and not blocked");
    else if (e == ERR_STATE)
        api_refuse(c, 409, "state", "one of the two has not answered you yet, or too many messages wait for them: later");
    else if (e != ERR_NONE)
        api_fail(c, e, "the introduction");
    else
        api_answer(c, 201, json_pack("{s:[s, s]}", "messages", ids[0], ids[1]));
}

void api_friend_show(struct api_call *c)
{
    uint32_t number;

    if (api_fields(c, NULL, 0) && api_needs_person(c) && api_friend(c, &number))
        answer_friend(c, 200, number);
}

void api_friend_remove(struct api_call *c)
{
    uint32_t number;

    if (!api_fields(c, NULL, 0) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    enum err e = messenger_friend_remove(c->parts->messenger, number, c->wall_unix_s);
    c->parts->is_mailbox_stale = true;   /* the inbox secret was replaced */
    if (e != ERR_NONE)
        api_fail(c, e, "the friend");
    else
        api_answer(c, 200, json_pack("{s:s}", "removed", c->args[0]));
}

void api_friend_accept(struct api_call *c)
{
    uint32_t number;

    if (!api_fields(c, NULL, 0) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    enum err e = messenger_friend_accept(c->parts->messenger, number);
    if (e != ERR_NONE)
        api_fail(c, e, "the friend");
    else
        answer_friend(c, 200, number);
}

static void set_blocked(struct api_call *c, bool is_blocked)
{
    uint32_t number;

    if (!api_fields(c, NULL, 0) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    enum err e = messenger_friend_block(c->parts->messenger, number, is_blocked);
    if (e != ERR_NONE)
        api_fail(c, e, "the friend");
    else
        answer_friend(c, 200, number);
}

void api_friend_block(struct api_call *c) { set_blocked(c, true); }
void api_friend_unblock(struct api_call *c) { set_blocked(c, false); }

void api_friend_rename(struct api_call *c)
{
    struct bytes name = bytes_of(NULL, 0);
    const struct api_field fields[] = { { "name", API_TEXT, true, 1, CARD_NAME_MAX, &name } };
    uint32_t number, taken;

    if (!api_fields(c, fields, 1) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    if (!is_control_free(name)) {
        api_refuse(c, 400, "bad-name", "the name holds a control character");
        return;
    }
    if (messenger_friend_find(c->parts->messenger, name, &taken) == ERR_NONE && taken != number) {
        api_refuse(c, 409, "exists", "another friend has this name already");
        return;
    }
    enum err e = messenger_friend_rename(c->parts->messenger, number, name);
    if (e != ERR_NONE)
        api_fail(c, e, "the name");
    else
        answer_friend(c, 200, number);
}

static void answer_safety_number(struct api_call *c, uint32_t number)
{
    char digits[SAFETY_NUMBER_LEN + 1];
    struct friend_info f;
    enum err e = messenger_safety_number(c->parts->messenger, number, digits);

    if (e == ERR_NONE)
        e = messenger_friend_info(c->parts->messenger, number, &f);
    if (e != ERR_NONE) {
        api_fail(c, e, "the safety number");
        return;
    }
    api_answer(c, 200, json_pack("{s:s, s:s, s:b}", "name", f.name, "safety_number", digits,
                                 "verified", f.state == FRIEND_VERIFIED));
}

void api_safety_number(struct api_call *c)
{
    uint32_t number;

    if (api_fields(c, NULL, 0) && api_needs_person(c) && api_friend(c, &number))
        answer_safety_number(c, number);
}

void api_friend_verify(struct api_call *c)
{
    bool is_verified = true;
    const struct api_field fields[] = { { "verified", API_BOOL, true, 0, 0, &is_verified } };
    uint32_t number;

    if (!api_fields(c, fields, 1) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    enum err e = messenger_friend_verify(c->parts->messenger, number, is_verified);
    if (e != ERR_NONE)
        api_fail(c, e, "the friend");
    else
        answer_safety_number(c, number);
}

void api_friend_disappear(struct api_call *c)
{
    uint64_t seconds = 0;
    const struct api_field fields[] = { { "seconds", API_COUNT, true, 0, 366 * 86400, &seconds } };
    uint32_t number;

    if (!api_fields(c, fields, 1) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    enum err e = messenger_friend_set_disappear(c->parts->messenger, number, (uint32_t)seconds);
    if (e != ERR_NONE)
        api_fail(c, e, "the friend");
    else
        answer_friend(c, 200, number);
}
