/* apps/cli/verb_node.c - the node: how it is, whom it meets, sticks. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/cli/cli.h"
#include "apps/profile/units.h"

/* ---- Status ---- */

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void print_identity(const json_t *s)
{
    const char *identity = json_text(s, "identity");
    const json_t *people = json_object_get(s, "people");

    if (strcmp(identity, "open") == 0) {
        uint64_t requests = json_count(people, "requests"), unread = json_count(people, "unread");

        fputs("you are      ", stdout);
        words_print_text(stdout, json_text(s, "name"), 0);
        printf("\nfriends      %llu", (unsigned long long)json_count(people, "friends"));
        if (requests > 0)
            printf(", of whom %llu ask%s (staffetta friends)", (unsigned long long)requests, requests == 1 ? "s" : "");
        printf("\nunread       %llu%s\n", (unsigned long long)unread, unread > 0 ? " (staffetta inbox)" : "");
    } else if (strcmp(identity, "locked") == 0) {
        puts("you are      locked: staffetta unlock");
    } else if (strcmp(identity, "relay") == 0) {
        puts("you are      nobody: only a relay, as configured");
    } else if (strcmp(identity, "damaged") == 0) {
        puts("you are      unknown: the identity cannot be opened (staffetta doctor)");
    } else {
        puts("you are      nobody yet: staffetta init --name NAME (this node carries for others meanwhile)");
    }
}

/* Writes nothing when it is not known. */
static void print_internet(const char *before, const json_t *min, const char *after)
{
    char span[UNITS_SPAN_TEXT_MAX];

    if (!json_is_integer(min))
        return;
    units_span_text(span, (uint64_t)json_integer_value(min) * 60);
    if (json_integer_value(min) == 0)
        printf("%slinked to a gateway%s", before, after);
    else
        printf("%sa gateway was about %s away%s", before, span, after);
}

static void print_status(const json_t *s)
{
    const json_t *lan = json_object_get(s, "lan"), *store = json_object_get(s, "store"), *clock = json_object_get(s, "clock");
    char bytes[UNITS_SIZE_TEXT_MAX], capacity[UNITS_SIZE_TEXT_MAX], at[WORDS_TIME_MAX], up[UNITS_SPAN_TEXT_MAX];
    uint64_t linked = json_count(s, "neighbours"), heard = json_count(lan, "heard");
    const char *state = json_text(s, "state");

    units_span_text(up, json_count(s, "uptime_s"));
    printf("node         %s, running for %s\n", strcmp(state, "ok") == 0 ? "all is well" : state, up);
    print_identity(s);
    printf("neighbours   %llu linked, %llu heard%s\n", (unsigned long long)linked, (unsigned long long)heard,
           linked == 0 && heard > 0 ? " (nothing new to exchange)" : "");
    print_internet("internet     ", json_object_get(s, "internet_min"), "\n");
    if (json_is_object(store)) {
        units_size_text(bytes, json_count(store, "bytes"));
        units_size_text(capacity, json_count(store, "capacity"));
        printf("carrying     %llu bundle%s, %s of %s\n", (unsigned long long)json_count(store, "bundles"),
               plural(json_count(store, "bundles")), bytes, capacity);
    }
    if (json_is_object(lan))
        printf("listening    TCP port %llu, beacons on %llu interface%s\n", (unsigned long long)json_count(lan, "port"),
               (unsigned long long)json_count(lan, "interfaces"), plural(json_count(lan, "interfaces")));
    words_time(at, json_object_get(clock, "time"), (uint64_t)time(NULL));
    printf("clock        %s, %s\n", at, json_flag(clock, "trusted") ? "kept right by the network" : "checked by nobody");
}

int verb_status(struct cli *c)
{
    bool watches = cli_option(c, "watch") != NULL;
    json_t *reply;
    int status;

    do {
        status = client_call(c, "GET", "/v1/status", NULL, &reply);
        if (status != EXIT_DONE)
            return status;
        if (c->is_json) {
            words_print_json(reply);
        } else {
            if (watches && isatty(1))
                fputs("\033[H\033[J", stdout);
            print_status(reply);
            fflush(stdout);
        }
        json_decref(reply);
        if (watches)
            sleep(2);
    } while (watches && !ferror(stdout));
    return status;
}

static void print_neighbour(const json_t *n)
{
    char in[UNITS_SIZE_TEXT_MAX], out[UNITS_SIZE_TEXT_MAX], span[UNITS_SPAN_TEXT_MAX];
    uint64_t come = json_count(n, "to_come"), give = json_count(n, "to_give");

    units_size_text(in, json_count(n, "bytes_in"));
    units_size_text(out, json_count(n, "bytes_out"));
    units_span_text(span, json_count(n, "connected_s"));
    words_print_text(stdout, json_text(n, "address"), 0);
    if (!json_flag(n, "ready")) {
        puts(": connecting");
        return;
    }
    printf(": %slinked for %s, ", json_flag(n, "friend") ? "a friend, " : "", span);
    if (json_flag(n, "settled"))
        fputs("nothing left to exchange", stdout);
    else if (come + give > 0)
        printf("%llu to come, %llu to give", (unsigned long long)come, (unsigned long long)give);
    else
        fputs("comparing", stdout);
    printf("; %s in, %s out; %llu %% full", in, out, (unsigned long long)json_count(n, "fill_percent"));
    print_internet("; ", json_object_get(n, "internet_min"), "");
    putchar('\n');
}

int verb_neighbours(struct cli *c)
{
    json_t *reply, *n;
    size_t i;
    int status = client_call(c, "GET", "/v1/neighbours", NULL, &reply);
    const json_t *list = json_object_get(reply, "neighbours");

    json_array_foreach(list, i, n) {
        if (c->is_json)
            words_print_json(n);
        else
            print_neighbour(n);
    }
    if (status == EXIT_DONE && !c->is_json && json_array_size(list) == 0)
        puts("Nobody is linked now. Nodes link while they have something to exchange; `staffetta doctor` says whether any are heard.");
    json_decref(reply);
    return status;
}

/* ---- Doctor ---- */

static void print_check(const struct cli *c, const char *check, const char *verdict, const char *text, const char *remedy)
{
    if (c->is_json) {
        json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "check", check, "verdict", verdict, "text", text, "remedy", remedy);

        if (o != NULL)
            words_print_json(o);
        json_decref(o);
        return;
    }
    printf("%-4s  %-12s ", strcmp(verdict, "good") == 0 ? "ok" : strcmp(verdict, "bad") == 0 ? "BAD" : "note", check);
    words_print_text(stdout, text, 6);
    putchar('\n');
    if (remedy[0] != '\0') {
        fputs("                   -> ", stdout);
        words_print_text(stdout, remedy, 6);
        putchar('\n');
    }
}

/* What can be seen from here when no daemon answers. */
static void examine_folder(const struct cli *c)
{
    char remedy[PROFILE_PATH_MAX + 64];

    switch (profile_check_folder(&c->paths)) {
    case ERR_NONE:
        print_check(c, "data folder", "good", c->paths.folder, "");
        break;
    case ERR_REFUSED:
        snprintf(remedy, sizeof remedy, "chmod 700 '%s'", c->paths.folder);
        print_check(c, "data folder", "bad", "others on this machine can look into it", remedy);
        break;
    default:
        print_check(c, "data folder", "note", "there is none yet", "staffetta init --name NAME");
        break;
    }
}

int verb_doctor(struct cli *c)
{
    json_t *reply, *check;
    bool is_bad = false;
    char text[PROFILE_PATH_MAX + 64], start[PROFILE_PATH_MAX + 32];
    size_t i;

    if (!client_is_there(c)) {
        snprintf(text, sizeof text, "none answers at %s", c->socket);
        client_start_command(start, sizeof start, c);
        print_check(c, "daemon", "bad", text, start);
        examine_folder(c);
        fflush(stdout);
        return fail(EXIT_NO_DAEMON, "no daemon, so nothing is received or sent; start one: %s", start);
    }
    int status = client_call(c, "GET", "/v1/doctor", NULL, &reply);
    if (status != EXIT_DONE)
        return status;
    snprintf(text, sizeof text, "answers at %s", c->socket);
    print_check(c, "daemon", "good", text, "");
    json_array_foreach(json_object_get(reply, "checks"), i, check) {
        const char *verdict = json_text(check, "verdict");

        is_bad = is_bad || strcmp(verdict, "bad") == 0;
        print_check(c, json_text(check, "check"), verdict, json_text(check, "text"), json_text(check, "remedy"));
    }
    json_decref(reply);
    return is_bad ? EXIT_FAILED : EXIT_DONE;
}

/* ---- Sticks ---- */

/* The daemon stands in another folder. */
json_t *cli_absolute(const char *path)
{
    char here[PROFILE_PATH_MAX];

    if (path[0] == '/')
        return json_string(path);
    if (getcwd(here, sizeof here) == NULL)
        return NULL;
    return json_sprintf("%s%s%s", here, strcmp(here, "/") == 0 ? "" : "/", path);
}

static int call_spool(const struct cli *c, const char *call, json_t **reply)
{
    json_t *path = cli_absolute(c->args[0]);

    *reply = NULL;
    if (path == NULL || json_string_length(path) == 0)
        return json_decref(path), fail(EXIT_USAGE, "%s: the file's path has to be text", c->args[0]);
    return client_call(c, "POST", call, json_pack("{s:o}", "path", path), reply);
}

int verb_export(struct cli *c)
{
    char size[UNITS_SIZE_TEXT_MAX];
    json_t *reply;
    int status = call_spool(c, "/v1/export", &reply);

    units_size_text(size, json_count(reply, "bytes"));
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        printf("%llu bundle%s written, %s. At the other end: staffetta import FILE\n", (unsigned long long)json_count(reply, "bundles"),
               plural(json_count(reply, "bundles")), size);
    json_decref(reply);
    return status;
}

int verb_import(struct cli *c)
{
    json_t *reply;
    int status = call_spool(c, "/v1/import", &reply);

    if (status == EXIT_DONE && c->is_json) {
        words_print_json(reply);
    } else if (status == EXIT_DONE) {
        printf("%llu new, %llu known already, %llu refused.\n", (unsigned long long)json_count(reply, "bundles"),
               (unsigned long long)json_count(reply, "known"), (unsigned long long)json_count(reply, "refused"));
        if (json_flag(reply, "damaged"))
            puts("Part of the file is damaged; what was whole has been taken in. Export it again if you can.");
    }
    json_decref(reply);
    return status;
}

/* ---- Gateways ---- */

static int gateway_remove(struct cli *c)
{
    char *path = client_path("/v1/gateways/", c->args[1], "");
    json_t *reply = NULL;

    if (path == NULL)
        return fail(EXIT_FAILED, "out of memory");
    int status = client_call(c, "DELETE", path, NULL, &reply);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    free(path);
    json_decref(reply);
    return status;
}

static int gateway_share(struct cli *c)
{
    char *path = client_path("/v1/friends/", c->args[1], "/gateways");
    json_t *body = c->arg_count > 2 ? json_pack("{s:s}", "address", c->args[2]) : json_object();
    json_t *reply = NULL;

    if (path == NULL || body == NULL) {
        free(path);
        json_decref(body);
        return fail(EXIT_FAILED, "out of memory");
    }
    int status = client_call(c, "POST", path, body, &reply);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        words_print_message(stdout, reply);
    free(path);
    json_decref(reply);
    return status;
}

int verb_gateway(struct cli *c)
{
    json_t *reply;

    if (strcmp(c->args[0], "share") == 0)
        return gateway_share(c);
    if (strcmp(c->args[0], "remove") == 0 && c->arg_count == 2)
        return gateway_remove(c);
    if (strcmp(c->args[0], "add") != 0 || c->arg_count != 2)
        return fail(EXIT_USAGE, "usage: staffetta gateway add LINK|ID, gateway remove HOST, or gateway share NAME [HOST]");
    bool is_id = cli_is_message_id(c->args[1]);
    json_t *body = json_pack("{s:s}", is_id ? "message" : "link", c->args[1]);
    if (body == NULL)
        return fail(EXIT_REFUSED, "this is no gateway link: it is no text");
    int status = client_call(c, "POST", "/v1/gateways", body, &reply);
    if (status == EXIT_DONE && c->is_json)
        words_print_json(reply);
    else if (status == EXIT_DONE)
        puts("Added. `staffetta gateways` says whether it can be reached.");
    json_decref(reply);
    return status;
}

static void print_gateway(const json_t *g)
{
    const json_t *addresses = json_object_get(g, "addresses"), *at;
    size_t i;

    json_array_foreach(addresses, i, at) {
        if (i > 0)
            fputs(", ", stdout);
        words_print_text(stdout, json_string_value(at), 0);
    }
    puts(json_flag(g, "ready") ? "  linked" : json_flag(g, "linked") ? "  connecting" : "");
}

static void print_budget(const json_t *b)
{
    char used[UNITS_SIZE_TEXT_MAX], bytes[UNITS_SIZE_TEXT_MAX];

    if (!json_is_object(b))
        return;
    units_size_text(used, json_count(b, "used"));
    units_size_text(bytes, json_count(b, "bytes"));
    printf("data today: %s of %s%s\n", used, bytes, strcmp(json_text(b, "state"), "small") == 0 ? "; what is left is for texts" : "");
}

int verb_gateways(struct cli *c)
{
    json_t *reply, *g;
    bool is_linked = false;
    size_t i;
    int status = client_call(c, "GET", "/v1/gateways", NULL, &reply);
    const json_t *list = json_object_get(reply, "gateways");

    json_array_foreach(list, i, g) {
        is_linked = is_linked || json_flag(g, "linked");
        if (c->is_json)
            words_print_json(g);
        else
            print_gateway(g);
    }
    if (status == EXIT_DONE && !c->is_json)
        print_budget(json_object_get(reply, "budget"));
    if (status == EXIT_DONE && !c->is_json && json_array_size(list) == 0)
        puts("None: this node meets neighbours on local networks and by stick. `staffetta gateway add LINK` takes an invite.");
    else if (status == EXIT_DONE && !c->is_json && !is_linked && json_text(reply, "last_error")[0] != '\0') {
        fputs("not reached: ", stdout);
        words_print_text(stdout, json_text(reply, "last_error"), 0);
        putchar('\n');
    }
    json_decref(reply);
    return status;
}
