/* apps/daemon/api_gateways.c - gateways over the local API. */
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/api_call.h"
#include "apps/daemon/gateways.h"

static json_t *gateway_json(const struct gateway *g, const struct uplink_info *info, bool is_linked)
{
    json_t *addresses = json_array();

    for (size_t i = 0; i < g->address_count; i++)
        json_array_append_new(addresses, json_sprintf("%s:%u", g->addresses[i].host, (unsigned)g->addresses[i].port));
    return json_pack("{s:o, s:b, s:b}", "addresses", addresses, "linked", is_linked, "ready", is_linked && info->is_ready);
}

static json_t *budget_json(const struct parts *p)
{
    static const char *const states[] = { [BUDGET_OPEN] = "open", [BUDGET_SMALL] = "small", [BUDGET_SPENT] = "spent" };
    uint64_t limit = p->config->uplink_budget_bytes;

    return limit == 0 ? json_null() : json_pack("{s:I, s:I, s:s}", "bytes", (json_int_t)limit, "used", (json_int_t)p->budget.used,
                                                "state", states[budget_state(&p->budget, limit)]);
}

void api_gateways(struct api_call *c)
{
    struct parts *p = c->parts;
    struct gateway *list;
    struct uplink_info info = { .link = 0 };
    json_t *out = json_array();

    if (!api_fields(c, NULL, 0)) {
        json_decref(out);
        return;
    }
    if (p->uplink != NULL)
        uplink_info(p->uplink, &info);
    if ((list = calloc(UPLINK_GATEWAYS_MAX, sizeof *list)) != NULL) {
        size_t count = gateways_list(p, list);

        for (size_t i = 0; i < count; i++)
            json_array_append_new(out, gateway_json(&list[i], &info, info.link != 0 && info.gateway == i));
        profile_wipe(list, UPLINK_GATEWAYS_MAX * sizeof *list);
        free(list);
    }
    api_answer(c, 200, json_pack("{s:o, s:s, s:b, s:i, s:o}", "gateways", out, "last_error", info.last_error, "trying", info.is_trying,
                                 "next_try_ms", (int)info.pause_ms, "budget", budget_json(p)));
}

void api_gateway_add(struct api_call *c)
{
    struct bytes link = bytes_of(NULL, 0), message = bytes_of(NULL, 0);
    const struct api_field fields[] = {
        { "link", API_TEXT, false, 1, GATEWAY_LINK_TEXT_MAX, &link }, { "message", API_TEXT, false, 1, MESSAGE_ID_TEXT_LEN, &message },
    };
    char given[MESSAGE_ID_TEXT_LEN + 1], id[MESSAGE_ID_TEXT_LEN + 1];
    struct message_info m;
    size_t count = 0;

    if (!api_fields(c, fields, 2) || !api_needs_node(c))
        return;
    if ((link.len > 0) == (message.len > 0)) {
        api_refuse(c, 400, "bad-request", "give either a link, or the id of a message that is one");
        return;
    }
    if (message.len > 0) {
        snprintf(given, sizeof given, "%.*s", (int)message.len, (const char *)message.at);
        if (!api_needs_person(c) || !api_find_message(c, given, id))
            return;
        enum err found = messenger_message(c->parts->messenger, bytes_of_text(id), &m);
        if (found != ERR_NONE) {
            api_fail(c, found, "the message");
            return;
        }
        link = bytes_of(m.text, m.text_len);
    }
    enum err e = gateways_add(c->parts, link, &count);
    switch (e) {
    case ERR_NONE:
        api_answer(c, 201, json_pack("{s:i}", "added", (int)count));
        break;
    case ERR_MALFORMED:
        api_refuse(c, 422, "bad-link", "this is no gateway link: copy it whole, from \"staffetta-gw:#\" to its end");
        break;
    case ERR_VERSION:
        api_refuse(c, 422, "bad-link", "the link was made by a newer version of Staffetta: update this one");
        break;
    case ERR_STATE:
        api_refuse(c, 409, "no-identity", "there is no open identity to keep it with; a relay reads links from the file named by the key gateways");
        break;
    case ERR_FULL:
        api_refuse(c, 507, "full", "there are %d gateways already; remove one first", UPLINK_GATEWAYS_MAX);
        break;
    default:
        api_fail(c, e, "the gateway");
        break;
    }
}

void api_gateway_share(struct api_call *c)
{
    struct bytes address = bytes_of(NULL, 0);
    const struct api_field fields[] = { { "address", API_TEXT, false, 1, GATEWAY_HOST_MAX + 8, &address } };
    char host[GATEWAY_HOST_MAX + 9];
    uint32_t number;

    if (!api_fields(c, fields, 1) || !api_needs_person(c) || !api_friend(c, &number))
        return;
    snprintf(host, sizeof host, "%.*s", (int)address.len, (const char *)address.at);
    char *text = malloc(GATEWAY_LINK_TEXT_MAX);
    enum err e = text != NULL ? gateways_link(c->parts, host, text) : ERR_NO_MEMORY;
    if (e == ERR_NONE)
        api_send_text(c, number, bytes_of_text(text), 0);
    else if (e == ERR_NOT_FOUND)
        api_refuse(c, 404, "not-found", host[0] != '\0' ? "no gateway here has this address; `staffetta gateways` lists them"
                                                       : "there is no gateway to pass on: `staffetta gateway add LINK` takes an invite");
    else
        api_fail(c, e, "the gateway");
    if (text != NULL)
        profile_wipe(text, GATEWAY_LINK_TEXT_MAX);
    free(text);
}

void api_gateway_remove(struct api_call *c)
{
    size_t count = 0;

    if (!api_fields(c, NULL, 0) || !api_needs_node(c))
        return;
    enum err e = gateways_remove(c->parts, c->args[0], &count);
    if (e == ERR_NONE)
        api_answer(c, 200, json_pack("{s:i}", "removed", (int)count));
    else if (e == ERR_NOT_FOUND || e == ERR_STATE)
        api_refuse(c, 404, "not-found", "no gateway kept here has the address \"%.100s\"; `staffetta gateways` lists them", c->args[0]);
    else
        api_fail(c, e, "the gateway");
}
