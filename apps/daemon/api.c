/* apps/daemon/api.c - routes of the local API, and how requests are judged. */
#define _DEFAULT_SOURCE
#include "apps/daemon/api.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/api_call.h"
#include "apps/service/clock.h"
#include "apps/profile/units.h"
#include "crypto/text.h"

/* What there is to ask for; docs/api.md has the same list. */
static const struct route {
    enum api_method method;
    const char *path;
    api_handler *handle;
} routes[] = {
    { API_GET, "/v1/calls", api_calls },
    { API_GET, "/v1/status", api_status },
    { API_GET, "/v1/neighbours", api_neighbours },
    { API_GET, "/v1/doctor", api_doctor },
    { API_GET, "/v1/events", api_events },
    { API_POST, "/v1/export", api_export },
    { API_POST, "/v1/import", api_import },
    { API_GET, "/v1/gateways", api_gateways },
    { API_POST, "/v1/gateways", api_gateway_add },
    { API_DELETE, "/v1/gateways/{}", api_gateway_remove },
    { API_GET, "/v1/card", api_card },
    { API_POST, "/v1/invite", api_invite },
    { API_GET, "/v1/conversations", api_conversations },
    { API_GET, "/v1/friends", api_friends },
    { API_POST, "/v1/friends", api_friend_add },
    { API_GET, "/v1/friends/{}", api_friend_show },
    { API_DELETE, "/v1/friends/{}", api_friend_remove },
    { API_POST, "/v1/friends/{}/accept", api_friend_accept },
    { API_POST, "/v1/friends/{}/block", api_friend_block },
    { API_POST, "/v1/friends/{}/unblock", api_friend_unblock },
    { API_POST, "/v1/friends/{}/introduce", api_introduce },
    { API_POST, "/v1/friends/{}/rename", api_friend_rename },
    { API_POST, "/v1/friends/{}/verify", api_friend_verify },
    { API_POST, "/v1/friends/{}/disappear", api_friend_disappear },
    { API_POST, "/v1/friends/{}/read", api_read },
    { API_GET, "/v1/friends/{}/safety-number", api_safety_number },
    { API_GET, "/v1/friends/{}/messages", api_messages },
    { API_POST, "/v1/friends/{}/messages", api_send },
    { API_POST, "/v1/friends/{}/gateways", api_gateway_share },
    { API_GET, "/v1/messages/{}", api_message },
    { API_DELETE, "/v1/messages/{}", api_message_delete },
    { API_GET, "/v1/inbox", api_inbox },
    { API_POST, "/v1/uploads", api_upload_begin },
    { API_GET, "/v1/uploads/{}", api_upload_show },
    { API_DELETE, "/v1/uploads/{}", api_upload_drop },
    { API_POST, "/v1/uploads/{}/data", api_upload_data },
    { API_POST, "/v1/friends/{}/media", api_media_send },
    { API_GET, "/v1/media", api_media_list },
    { API_GET, "/v1/media/{}", api_media_show },
    { API_GET, "/v1/media/{}/data", api_media_data },
    { API_GET, "/v1/media/{}/light", api_media_light },
    { API_GET, "/v1/media/{}/preview", api_media_preview },
    { API_POST, "/v1/media/{}/want", api_media_want },
    { API_POST, "/v1/media/{}/keep", api_media_keep },
    { API_POST, "/v1/media/{}/free", api_media_free },
    { API_POST, "/v1/free-up", api_free_up },
    { API_GET, "/v1/storage", api_storage },
    { API_POST, "/v1/init", api_init },
    { API_POST, "/v1/backup", api_backup },
    { API_POST, "/v1/restore", api_restore },
    { API_POST, "/v1/unlock", api_unlock },
    { API_POST, "/v1/passphrase", api_passphrase },
    { API_POST, "/v1/settings", api_settings },
    { API_POST, "/v1/panic", api_panic },
};

/* What this daemon can be asked: a page or a script shows what is there, and no button for what is not. */
void api_calls(struct api_call *c)
{
    static const char *const methods[] = { [API_GET] = "GET", [API_POST] = "POST", [API_DELETE] = "DELETE" };
    json_t *list = json_array();

    if (!api_fields(c, NULL, 0)) {
        json_decref(list);
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        json_array_append_new(list, json_sprintf("%s %s", methods[routes[i].method], routes[i].path));
    api_answer(c, 200, json_pack("{s:o}", "calls", list));
}

/* ---- Answers ---- */

void api_answer(struct api_call *c, int status, json_t *body)
{
    json_decref(c->reply->body);
    c->reply->status = body != NULL ? status : 500;
    c->reply->body = body;
}

void api_refuse(struct api_call *c, int status, const char *code, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    /* A name cut in the middle of a character would not be JSON. */
    for (size_t len = strlen(message); len > 0 && !text_is_utf8(bytes_of_text(message)); len--)
        message[len - 1] = '\0';
    api_answer(c, status, json_pack("{s:s, s:s}", "error", code, "message", message));
}

void api_fail(struct api_call *c, enum err e, const char *what)
{
    static const struct { enum err e; int status; const char *code, *advice; } rows[] = {
        { ERR_MALFORMED, 400, "malformed", "" },
        { ERR_VERSION, 422, "version", "; it was made by a newer Staffetta" },
        { ERR_TOO_LARGE, 413, "too-large", "" },
        { ERR_NO_MEMORY, 503, "no-memory", "" },
        { ERR_NOT_FOUND, 404, "not-found", "" },
        { ERR_EXISTS, 409, "exists", "" },
        { ERR_FULL, 507, "full", ": free some disk space, or raise `capacity`" },
        { ERR_EXPIRED, 422, "expired", "" },
        { ERR_AUTH, 403, "auth", "" },
        { ERR_REPLAY, 409, "replay", "" },
        { ERR_STATE, 409, "state", "" },
        { ERR_REFUSED, 403, "refused", "" },
        { ERR_LOCKED, 423, "locked", "; `staffetta unlock` opens it" },
        { ERR_CORRUPT, 500, "damaged", "; the disk may be failing" },
        { ERR_IO, 500, "io", "" },
        { ERR_UNSUPPORTED, 501, "unsupported", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].e == e) {
            api_refuse(c, rows[i].status, rows[i].code, "%s: %s%s", what, err_text(e), rows[i].advice);
            return;
        }
    }
    api_refuse(c, 500, "failed", "%s: %s", what, err_text(e));
}

void api_reply_storage_failed(struct api_reply *reply, enum err why)
{
    json_decref(reply->body);
    api_content_free(reply->content);
    reply->content = NULL;
    reply->status = why == ERR_FULL ? 507 : 503;
    reply->body = json_pack("{s:s, s:s}", "error", why == ERR_FULL ? "full" : "storage", "message",
                            why == ERR_FULL    ? "the disk is full, so nothing was kept: free some space and try again"
                            : why == ERR_STATE ? "the daemon is stopping, so nothing was kept: try again when it runs"
                                               : "the disk failed, so nothing was kept; `staffetta status` says more");
    reply->is_after_turn = reply->is_stream = false;
}

bool api_needs_node(struct api_call *c)
{
    if (c->parts->node != NULL && !c->parts->needs_reopen)
        return true;
    api_refuse(c, 503, "storage", "%s", c->parts->trouble[0] != '\0' ? c->parts->trouble : "storage: opening; try again in a moment");
    return false;
}

bool api_needs_person(struct api_call *c)
{
    if (!api_needs_node(c))
        return false;
    if (c->parts->messenger != NULL)
        return true;
    switch (c->parts->person) {
    case PERSON_LOCKED:
        api_refuse(c, 423, "locked", "the vault is locked; `staffetta unlock` opens it");
        break;
    case PERSON_OFF:
        api_refuse(c, 403, "refused", "this daemon is only a relay (key relay); start it without that to read and write");
        break;
    case PERSON_DAMAGED:
        api_refuse(c, 500, "damaged", "%s", c->parts->trouble);
        break;
    case PERSON_NONE:
    case PERSON_OPEN:
        api_refuse(c, 409, "no-identity", "there is no identity yet; `staffetta init --name NAME` makes one");
        break;
    }
    return false;
}

/* ---- Bodies and queries ---- */

static bool fits(struct api_call *c, const struct api_field *f, const json_t *v)
{
    switch (f->kind) {
    case API_TEXT_OR_NULL:
        if (json_is_null(v))
            return true;
        /* fall through */
    case API_TEXT:
        if (!json_is_string(v))
            api_refuse(c, 400, "malformed", "\"%s\" has to be a text", f->name);
        else if (json_string_length(v) < f->least)
            api_refuse(c, 400, "malformed", f->least == 1 ? "\"%s\" is empty" : "\"%s\" is too short", f->name);
        else if (json_string_length(v) > f->most)
            api_refuse(c, 413, "too-large", "\"%s\" is longer than %llu bytes", f->name, (unsigned long long)f->most);
        else
            return true;
        return false;
    case API_COUNT:
        if (json_is_integer(v) && json_integer_value(v) >= 0 && (uint64_t)json_integer_value(v) >= f->least &&
            (uint64_t)json_integer_value(v) <= f->most)
            return true;
        api_refuse(c, 400, "malformed", "\"%s\" has to be a whole number from %llu to %llu", f->name,
                   (unsigned long long)f->least, (unsigned long long)f->most);
        return false;
    case API_BOOL:
        if (json_is_boolean(v))
            return true;
        api_refuse(c, 400, "malformed", "\"%s\" has to be true or false", f->name);
        return false;
    }
    return false;
}

static void take(const struct api_field *f, const json_t *v)
{
    if (json_is_null(v))
        return;
    switch (f->kind) {
    case API_TEXT_OR_NULL:
    case API_TEXT:
        *(struct bytes *)f->to = bytes_of(json_string_value(v), json_string_length(v));
        break;
    case API_COUNT:
        *(uint64_t *)f->to = (uint64_t)json_integer_value(v);
        break;
    case API_BOOL:
        *(bool *)f->to = json_is_true(v);
        break;
    }
}

static bool check_fields(struct api_call *c, json_t *object, const struct api_field *fields, size_t count)
{
    const char *key;
    json_t *v;

    json_object_foreach(object, key, v) {
        bool is_known = false;

        for (size_t i = 0; i < count; i++)
            is_known = is_known || strcmp(fields[i].name, key) == 0;
        if (!is_known) {
            api_refuse(c, 400, "malformed", "\"%.100s\" is no key here", key);
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        v = json_object_get(object, fields[i].name);
        if (v == NULL && fields[i].is_required) {
            api_refuse(c, 400, "malformed", "\"%s\" is missing", fields[i].name);
            return false;
        }
        if (v != NULL && !fits(c, &fields[i], v))
            return false;
    }
    for (size_t i = 0; i < count; i++)
        if ((v = json_object_get(object, fields[i].name)) != NULL)
            take(&fields[i], v);
    return true;
}

bool api_fields(struct api_call *c, const struct api_field *fields, size_t count)
{
    return check_fields(c, c->body, fields, count);
}

bool api_query(struct api_call *c, const struct api_field *fields, size_t count)
{
    json_t *object = json_object();
    const char *at = c->query;
    bool is_good = object != NULL;

    while (is_good && *at != '\0') {
        size_t len = strcspn(at, "&"), name_len = strcspn(at, "=&");
        char name[32], text[24];
        uint64_t v;

        if (name_len == 0 || name_len >= sizeof name || at[name_len] != '=' || len - name_len - 1 >= sizeof text) {
            api_refuse(c, 400, "malformed", "the query wants KEY=NUMBER");
            is_good = false;
            break;
        }
        memcpy(name, at, name_len);
        name[name_len] = '\0';
        memcpy(text, at + name_len + 1, len - name_len - 1);
        text[len - name_len - 1] = '\0';
        if (!text_is_utf8(bytes_of_text(name)) || units_number(&v, text, INT64_MAX) != ERR_NONE ||
            json_object_get(object, name) != NULL) {
            api_refuse(c, 400, "malformed", "the query wants KEY=NUMBER, each key once");
            is_good = false;
            break;
        }
        json_object_set_new(object, name, json_integer((json_int_t)v));
        at += len;
        if (*at == '&')
            at++;
    }
    is_good = is_good && check_fields(c, object, fields, count);
    json_decref(object);
    return is_good;
}

static json_t *read_body(struct api_call *c, struct bytes body)
{
    json_error_t error;

    if (body.len == 0)
        return json_object();
    if (body.len > API_BODY_MAX) {
        api_refuse(c, 413, "too-large", "the request is longer than %d bytes", API_BODY_MAX);
        return NULL;
    }
    json_t *object = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) {
        /* The parser's words may quote the text; its position is enough. */
        api_refuse(c, 400, "malformed", "the request is no JSON (line %d, column %d)", error.line, error.column);
    } else if (!json_is_object(object)) {
        api_refuse(c, 400, "malformed", "the request has to be a JSON object");
        json_decref(object);
        object = NULL;
    }
    return object;
}

/* ---- Paths ---- */

static int hex_digit(char ch)
{
    return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

static bool decode_segment(char to[API_ARG_LEN_MAX + 1], const char *from, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char ch = from[i];

        if (ch == '%') {
            int high = len - i > 2 ? hex_digit(from[i + 1]) : -1, low = len - i > 2 ? hex_digit(from[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            ch = (char)(high * 16 + low);
            i += 2;
        }
        if (ch == '\0' || n == API_ARG_LEN_MAX)
            return false;
        to[n++] = ch;
    }
    to[n] = '\0';
    return n > 0 && text_is_utf8(bytes_of(to, n));
}

enum match { MATCH_NO, MATCH_YES, MATCH_BAD };

static enum match match_path(struct api_call *c, const char *pattern, const char *path, size_t path_len)
{
    const char *end = path + path_len;
    struct { const char *at; size_t len; } taken[API_ARGS_MAX];
    unsigned count = 0;

    while (*pattern != '\0' && path < end) {
        if (*pattern == '{') {
            const char *slash = memchr(path, '/', (size_t)(end - path));
            size_t len = (size_t)((slash != NULL ? slash : end) - path);

            taken[count].at = path;
            taken[count++].len = len;
            path += len;
            pattern += 2;
        } else if (*pattern == *path) {
            pattern++;
            path++;
        } else {
            return MATCH_NO;
        }
    }
    if (*pattern != '\0' || path != end)
        return MATCH_NO;
    for (unsigned i = 0; i < count; i++)
        if (!decode_segment(c->args[i], taken[i].at, taken[i].len))
            return MATCH_BAD;
    return MATCH_YES;
}

static const struct route *find_route(struct api_call *c, const struct api_request *request)
{
    size_t path_len = strcspn(request->target, "?");
    bool is_path_known = false;

    if (strlen(request->target) > API_PATH_MAX) {
        api_refuse(c, 414, "too-large", "the path is longer than %d bytes", API_PATH_MAX);
        return NULL;
    }
    c->query = request->target[path_len] == '?' ? request->target + path_len + 1 : "";
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        enum match m = match_path(c, routes[i].path, request->target, path_len);

        if (m == MATCH_BAD) {
            api_refuse(c, 400, "malformed", "the path holds a name that is no UTF-8 text of up to %d bytes", API_ARG_LEN_MAX);
            return NULL;
        }
        if (m == MATCH_YES && routes[i].method == request->method)
            return &routes[i];
        is_path_known = is_path_known || m == MATCH_YES;
    }
    if (is_path_known)
        api_refuse(c, 405, "malformed", "this path does not take this method; see docs/api.md");
    else
        api_refuse(c, 404, "no-route", "there is nothing at this path; see docs/api.md");
    return NULL;
}

void api_handle(struct parts *p, const struct api_request *request, struct api_reply *reply)
{
    struct api_call *c = calloc(1, sizeof *c);

    memset(reply, 0, sizeof *reply);
    reply->status = 500;
    if (c == NULL)
        return;
    c->parts = p;
    c->reply = reply;
    c->wall_unix_s = clock_wall_unix_s();
    c->now_ms = parts_now_ms(p);
    c->range = request->range;
    const struct route *route = find_route(c, request);
    bool is_raw = route != NULL && route->handle == api_upload_data;   /* the one body that is no JSON */
    if (is_raw)
        c->raw = request->body;
    if (route != NULL && (c->body = read_body(c, is_raw ? bytes_of(NULL, 0) : request->body)) != NULL) {
        /* Only a turn makes durable what the node and the messenger hold, so only after one may it be told. */
        reply->is_after_turn = p->host != NULL;
        route->handle(c);
        json_decref(c->body);
    }
    free(c);
}
