/* apps/gateway/main.c - staffetta-gateway: run it, and hand out invites. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/gateway/config.h"
#include "apps/gateway/doctor.h"
#include "apps/gateway/invites.h"
#include "apps/gateway/server.h"
#include "apps/gateway/tls.h"
#include "apps/profile/units.h"
#include "apps/service/clock.h"
#include "apps/service/qr.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/text.h"

static const char USUAL_FILE[] = "/etc/staffetta/gateway.conf";

struct command {
    int argc;
    char **argv;
    const char *verb;              /* NULL: run */
    const char *argument;
    const char *label, *quota, *expires, *png, *with;
    bool wants_qr, wants_json, is_for_gateway, wants_help, wants_version, wants_example;
};

static int complain(int status, const char *what, const char *why)
{
    fprintf(stderr, "staffetta-gateway: %s%s%s\n", what, why[0] != '\0' ? " " : "", why);
    return status;
}

static void print_help(void)
{
    fputs("usage: staffetta-gateway [--KEY VALUE]... [VERB]\n\n"
          "Without a verb it runs the gateway. Verbs:\n"
          "  invite --label NAME [--quota SIZE/day] [--expires SPAN] [--qr] [--png FILE] [--with LINK]\n"
          "                                                            print a link to give away; --with adds the gateways of another\n"
          "  invite --for-gateway --label NAME [--expires SPAN]        print a link for the key `peer` of another gateway\n"
          "  list                                                      invites, and what was brought by each\n"
          "  revoke LABEL|ID                                           make them worthless, at once\n"
          "  doctor [--json]                                           what is wrong, and what to do about it\n\n"
          "Keys (also in the file --config FILE, /etc/staffetta/gateway.conf):\n", stdout);
    gw_config_print_keys(stdout);
    fputs("\n  --help, --version, --example-config\n", stdout);
}

/* ---- The command line ---- */

/* The value of a flag, after "=" or the next word. NULL: there is none. */
static const char *value_of(int argc, char **argv, int *i)
{
    const char *equals = strchr(argv[*i], '=');

    if (equals != NULL)
        return equals + 1;
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool is_flag(const char *word, const char *name)
{
    size_t len = strlen(name);

    return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len) == 0 && (word[2 + len] == '\0' || word[2 + len] == '=');
}

/* Without a configuration: what is no key. ERR_MALFORMED. */
static enum err read_command(struct command *c, int argc, char **argv, const char **file, char why[GW_WHY_MAX])
{
    *c = (struct command){ .argc = argc, .argv = argv };
    for (int i = 1; i < argc; i++) {
        const struct { const char *name; const char **to; } own[] = {
            { "config", file }, { "label", &c->label }, { "quota", &c->quota }, { "expires", &c->expires },
            { "png", &c->png }, { "with", &c->with },
        };
        const char *word = argv[i];
        bool is_known = strcmp(word, "--qr") == 0 || strcmp(word, "--json") == 0 || strcmp(word, "--for-gateway") == 0;

        c->wants_qr = c->wants_qr || strcmp(word, "--qr") == 0;
        c->wants_json = c->wants_json || strcmp(word, "--json") == 0;
        c->is_for_gateway = c->is_for_gateway || strcmp(word, "--for-gateway") == 0;
        c->wants_help = c->wants_help || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
        c->wants_version = c->wants_version || strcmp(word, "--version") == 0;
        c->wants_example = c->wants_example || strcmp(word, "--example-config") == 0;
        if (c->wants_help || c->wants_version || c->wants_example)
            return ERR_NONE;
        if (word[0] != '-' || strcmp(word, "-") == 0) {
            if (c->verb != NULL && c->argument != NULL) {
                snprintf(why, GW_WHY_MAX, "\"%.100s\" is one word too many", word);
                return ERR_MALFORMED;
            }
            *(c->verb == NULL ? &c->verb : &c->argument) = word;
            continue;
        }
        for (size_t k = 0; k < sizeof own / sizeof own[0] && !is_known; k++) {
            if (is_flag(word, own[k].name)) {
                *own[k].to = value_of(argc, argv, &i);
                is_known = *own[k].to != NULL;
            }
        }
        for (size_t k = 0; k < gw_key_count && !is_known; k++)
            is_known = is_flag(word, gw_keys[k].name) && value_of(argc, argv, &i) != NULL;
        if (!is_known) {
            snprintf(why, GW_WHY_MAX, "%.100s is no flag, or wants a value; see --help", word);
            return ERR_MALFORMED;
        }
    }
    return ERR_NONE;
}

static enum err set_flags(const struct command *c, struct gw_config *config, char why[GW_WHY_MAX])
{
    char text[GW_WHY_MAX];
    bool is_listen_set = false, is_address_set = false, is_database_set = false, is_peer_set = false;

    for (int i = 1; i < c->argc; i++) {
        for (size_t k = 0; k < gw_key_count; k++) {
            if (!is_flag(c->argv[i], gw_keys[k].name))
                continue;
            /* A flag replaces the file's list, and then adds to its own. */
            if (gw_keys[k].kind == GW_LISTEN && !is_listen_set)
                config->listen_count = 0;
            if (gw_keys[k].kind == GW_ADDRESS && !is_address_set)
                config->address_count = 0;
            if (gw_keys[k].kind == GW_DATABASE && !is_database_set)
                config->database_count = 0;
            if (gw_keys[k].kind == GW_PEER && !is_peer_set)
                config->peer_count = 0;
            is_peer_set = is_peer_set || gw_keys[k].kind == GW_PEER;
            is_database_set = is_database_set || gw_keys[k].kind == GW_DATABASE;
            is_listen_set = is_listen_set || gw_keys[k].kind == GW_LISTEN;
            is_address_set = is_address_set || gw_keys[k].kind == GW_ADDRESS;
            enum err e = gw_config_set(config, gw_keys[k].name, value_of(c->argc, c->argv, &i), text);
            if (e != ERR_NONE) {
                snprintf(why, GW_WHY_MAX, "--%s %.300s", gw_keys[k].name, text);
                return e;
            }
            break;
        }
    }
    return ERR_NONE;
}

struct source { const struct command *command; const char *file; };

static enum err read_all(void *ctx, struct gw_config *out, char why[GW_WHY_MAX])
{
    const struct source *s = ctx;
    enum err e;

    gw_config_init(out);
    e = gw_config_file(out, s->file != NULL ? s->file : USUAL_FILE, why);
    if (e != ERR_NONE && (e != ERR_NOT_FOUND || s->file != NULL))
        return e;
    return set_flags(s->command, out, why);
}

/* ---- Verbs ---- */

static enum err fill_gateway(const struct gw_config *config, const struct invite *v, struct gateway *g, char why[GW_WHY_MAX])
{
    uint8_t secret[GATEWAY_PUBLIC_LEN];
    struct lan_place place;
    struct ssl_ctx_st *tls;
    enum err e;

    memset(g, 0, sizeof *g);
    e = server_key(config, secret, g->key);
    secret_wipe(secret, sizeof secret);
    if (e != ERR_NONE) {
        snprintf(why, GW_WHY_MAX, "the key in %.300s cannot be read or made", config->data);
        return e;
    }
    memcpy(g->id, v->id, sizeof g->id);
    memcpy(g->secret, v->secret, sizeof g->secret);
    if (config->certificate[0] == '\0') {
        if ((e = tls_new(&tls, config, why)) != ERR_NONE)
            return e;
        g->is_pinned = true;
        e = tls_pin(tls, g->pin);
        tls_free(tls);
        if (e != ERR_NONE)
            return e;
    }
    bool has_plain = config->plain_address[0] != '\0';
    if (config->address_count + has_plain > GATEWAY_ADDRESSES_MAX) {
        snprintf(why, GW_WHY_MAX, "an invite has room for %d addresses, that of plain-address among them", GATEWAY_ADDRESSES_MAX);
        return ERR_TOO_LARGE;
    }
    for (size_t i = 0; i < config->address_count + has_plain; i++) {
        bool is_plain = i == config->address_count;

        if (lan_place_parse(&place, is_plain ? config->plain_address : config->address[i], false, why) != ERR_NONE)
            return ERR_MALFORMED;
        memcpy(g->addresses[i].host, place.host, sizeof g->addresses[i].host);
        g->addresses[i].port = place.port;
        g->addresses[i].is_plain = is_plain;
    }
    g->address_count = (uint8_t)(config->address_count + has_plain);
    return ERR_NONE;
}

/* "1G/day", "1G" */
static enum err read_quota(uint64_t *out, const char *text)
{
    char size[32];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);

    if (len >= sizeof size || (slash != NULL && strcmp(slash, "/day") != 0))
        return ERR_MALFORMED;
    memcpy(size, text, len);
    size[len] = '\0';
    return units_size(out, size);
}

static int verb_invite(const struct command *c, const struct gw_config *config, struct invites *invites)
{
    struct rng rng = rng_system();
    struct gateway_link *link = calloc(1, sizeof *link);
    char *text = malloc(GATEWAY_LINK_TEXT_MAX);
    struct invite v;
    uint64_t span_s;
    char why[GW_WHY_MAX] = "";
    int status = 0;

    memset(&v, 0, sizeof v);
    v.made_unix_s = clock_wall_unix_s();
    rng_fill(&rng, v.id, sizeof v.id);
    rng_fill(&rng, v.secret, sizeof v.secret);
    if (link == NULL || text == NULL)
        status = complain(1, "out of memory", "");
    else if (c->label == NULL || strlen(c->label) > INVITE_LABEL_MAX)
        status = complain(2, "an invite wants --label NAME, of at most 64 bytes: what you call those who get it", "");
    else if (config->address_count == 0)
        status = complain(2, "say how users reach this gateway: --address HOST:PORT, or the key address", "");
    else if (c->is_for_gateway && c->quota != NULL)
        status = complain(2, "--quota is for users; what another gateway brings has the share of friends", "");
    else if (c->quota != NULL && read_quota(&v.quota_bytes_per_day, c->quota) != ERR_NONE)
        status = complain(2, "--quota wants a size a day, such as 1G/day", "");
    else if (c->expires != NULL && units_duration(&span_s, c->expires) != ERR_NONE)
        status = complain(2, "--expires wants a time, such as 30d", "");
    if (status == 0) {
        v.is_peer = c->is_for_gateway;
        v.expires_unix_s = c->expires != NULL ? v.made_unix_s + span_s : 0;
        memcpy(v.label, c->label, strlen(c->label) + 1);
        if (c->with != NULL && gateway_link_read(link, bytes_of_text(c->with)) != ERR_NONE)
            status = complain(2, "--with wants a gateway link", "");
        else if (link->count == GATEWAYS_PER_LINK_MAX)
            status = complain(2, "the link given with --with is full: it names four gateways", "");
        else if (fill_gateway(config, &v, &link->gateways[link->count++], why) != ERR_NONE)
            status = complain(1, why, "");
        else if (invites_add(invites, &v) != ERR_NONE)
            status = complain(1, "the invite cannot be written to", config->data);
    }
    if (status == 0) {
        gateway_link_write(link, text);
        puts(text);
        if (c->wants_qr && qr_print(stdout, text, isatty(1) != 0) != ERR_NONE)
            status = complain(1, "the link is too long for a QR code", "");
        if (c->png != NULL && qr_write_png(c->png, text) != ERR_NONE)
            status = complain(1, "the image cannot be written:", c->png);
    }
    free(link);
    free(text);
    secret_wipe(&v, sizeof v);
    return status;
}

static int verb_list(struct invites *invites)
{
    uint64_t now_s = clock_wall_unix_s();

    invites_load_usage(invites);
    for (size_t i = 0; i < invites_count(invites); i++) {
        const struct invite *v = invites_at(invites, i);
        char id[2 * GATEWAY_ID_LEN + 1], today[UNITS_SIZE_TEXT_MAX], total[UNITS_SIZE_TEXT_MAX], quota[UNITS_SIZE_TEXT_MAX] = "none",
            expires[UNITS_RFC3339_LEN + 1] = "never";

        text_hex(id, bytes_of(v->id, sizeof v->id));
        units_size_text(today, v->used_day == now_s / 86400 ? v->used_bytes : 0);
        units_size_text(total, v->total_bytes);
        if (v->quota_bytes_per_day > 0)
            units_size_text(quota, v->quota_bytes_per_day);
        if (v->expires_unix_s > 0)
            units_rfc3339(expires, v->expires_unix_s);
        printf("%s  today %s, in all %s, quota a day %s, expires %s%s%s  %s\n", id, today, total, quota, expires,
               invite_is_expired(v, now_s) ? " (it has)" : "", v->is_peer ? ", for a gateway" : "", v->label);
    }
    return 0;
}

static int verb_revoke(const struct command *c, struct invites *invites)
{
    size_t count;

    if (c->argument == NULL)
        return complain(2, "revoke wants a label or an id; `staffetta-gateway list` shows them", "");
    switch (invites_revoke(invites, c->argument, &count)) {
    case ERR_NONE:
        printf("%zu invite%s revoked\n", count, count == 1 ? "" : "s");
        return 0;
    case ERR_NOT_FOUND:
        return complain(4, "there is no such invite:", c->argument);
    default:
        return complain(1, "the invite cannot be removed", "");
    }
}

static int verb_doctor(const struct command *c, const struct gw_config *config)
{
    struct findings f = { .list = json_array() };

    doctor_examine(&f, config);
    findings_print(&f, stdout, c->wants_json);
    json_decref(f.list);
    return f.is_bad;
}

static int run_verb(const struct command *c, const struct gw_config *config)
{
    struct profile_paths paths;
    struct invites *invites;
    int status;

    /* It looks, and makes nothing. */
    if (strcmp(c->verb, "doctor") == 0 && c->argument == NULL)
        return verb_doctor(c, config);
    if (profile_paths_init(&paths, config->data) != ERR_NONE || profile_make_folder(&paths) != ERR_NONE ||
        invites_open(&invites, config->data) != ERR_NONE)
        return complain(1, "the data folder cannot be used:", config->data);
    if (strcmp(c->verb, "invite") == 0 && c->argument == NULL)
        status = verb_invite(c, config, invites);
    else if (strcmp(c->verb, "list") == 0 && c->argument == NULL)
        status = verb_list(invites);
    else if (strcmp(c->verb, "revoke") == 0)
        status = verb_revoke(c, invites);
    else
        status = complain(2, "that is no verb; see --help:", c->verb);
    invites_close(invites);
    return status;
}

int main(int argc, char **argv)
{
    struct gw_config *config = malloc(sizeof *config);
    char why[GW_WHY_MAX] = "";
    struct command command;
    struct source source = { &command, NULL };
    int status = 0;

    if (config == NULL || crypto_start() != ERR_NONE)
        status = complain(1, "no memory, or no randomness from the system", "");
    else if (read_command(&command, argc, argv, &source.file, why) != ERR_NONE)
        status = complain(2, why, "");
    else if (command.wants_help)
        print_help();
    else if (command.wants_version)
        puts("staffetta-gateway " STAFFETTA_VERSION);
    else if (command.wants_example)
        gw_config_print_example(stdout);
    else if (read_all(&source, config, why) != ERR_NONE)
        status = complain(2, why, "");
    else
        status = command.verb != NULL ? run_verb(&command, config) : server_run(config, read_all, &source);
    free(config);
    return status;
}
