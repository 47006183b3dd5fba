/* tests/daemon/test_config.c - the configuration: what is taken, what is refused, and in which words. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/daemon/config.h"
#include "tests/support/check.h"

#define LONG_100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct { const char *name, *text; enum err want; const char *why; } files[] = {
    { "empty", "", ERR_NONE, "" },
    { "comments", "# one\n  ; two\n\n", ERR_NONE, "" },
    { "no line end", "relay = yes", ERR_NONE, "" },
    { "DOS line ends", "relay = yes\r\nlisten = :7\r\n", ERR_NONE, "" },
    { "peers", "peer = 10.0.0.1:7827\npeer = [fe80::1%eth0]:7827\npeer=relay.local:1\n", ERR_NONE, "" },
    { "indented key", "relay = yes\n  peer = 10.0.0.1:7\n", ERR_NONE, "" },
    { "comment after a value", "log-level = debug ; for a while\n", ERR_NONE, "" },
    { "unknown key", "relay = yes\ncolour = blue\n", ERR_MALFORMED, "f:2: colour is no key" },
    { "no value", "listen =\n", ERR_MALFORMED, "f:1: listen" },
    { "no equals sign", "relay yes\n", ERR_MALFORMED, "f:1: wants KEY = VALUE" },
    { "section", "[net]\nrelay = yes\n", ERR_MALFORMED, "f:2: relay stands in a [section]" },
    { "unclosed section", "[net\n", ERR_MALFORMED, "f:1: wants KEY = VALUE" },
    { "twice", "relay = yes\n\nrelay = no\n", ERR_MALFORMED, "f:3: relay is given twice" },
    { "no switch", "relay = perhaps\n", ERR_MALFORMED, "f:1: relay wants yes or no" },
    { "no port", "listen = 10.0.0.1\n", ERR_MALFORMED, "f:1: listen wants ADDRESS:PORT" },
    { "port too large", "listen = :65536\n", ERR_MALFORMED, "f:1: listen wants ADDRESS:PORT" },
    { "port with a sign", "listen = :+1\n", ERR_MALFORMED, "f:1: listen wants ADDRESS:PORT" },
    { "bare IPv6", "peer = fe80::1:7827\n", ERR_MALFORMED, "f:1: peer wants an IPv6 address in brackets" },
    { "peer without a host", "peer = :7827\n", ERR_MALFORMED, "f:1: peer wants both" },
    { "peer without a port", "peer = host:0\n", ERR_MALFORMED, "f:1: peer wants both" },
    { "level", "log-level = loud\n", ERR_MALFORMED, "f:1: log-level wants error" },
    { "power", "bluetooth-power = low\n", ERR_NONE, "" },
    { "no power", "bluetooth-power = solar\n", ERR_MALFORMED, "f:1: bluetooth-power wants auto, mains" },
    { "classic", "bluetooth-classic = 00:11:22:33:44:55\n", ERR_NONE, "" },
    { "classic, waiting", "bluetooth-classic = listen\n", ERR_NONE, "" },
    { "no address", "bluetooth-classic = 00:11:22:33:44\n", ERR_MALFORMED, "f:1: bluetooth-classic wants off, listen" },
    { "size too small", "capacity = 1k\n", ERR_TOO_LARGE, "f:1: capacity lies outside" },
    { "size in words", "capacity = much\n", ERR_MALFORMED, "f:1: capacity wants a size" },
    { "span", "epoch = 1 hour\n", ERR_MALFORMED, "f:1: epoch wants a time" },
    { "span too short", "epoch = 1s\n", ERR_TOO_LARGE, "f:1: epoch lies outside 60 to 86400 seconds" },
    { "beacon port 0", "beacon-port = 0\n", ERR_TOO_LARGE, "f:1: beacon-port lies outside" },
    { "negative", "spread-delay = -5\n", ERR_MALFORMED, "f:1: spread-delay wants a number" },
    { "control character", "data = a\x01" "b\n", ERR_MALFORMED, "f:1: data holds a control character" },
    { "line too long", "relay = yes\ndata = /" LONG_100 LONG_100 "\n", ERR_TOO_LARGE, "f:2: the line is too long" },
    { "a comment may be long", "# " LONG_100 LONG_100 LONG_100 "\nrelay = yes\n", ERR_NONE, "" },
};

static void check_files(void)
{
    struct config *c = malloc(sizeof *c);

    REQUIRE(c != NULL);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char why[CONFIG_WHY_MAX] = "";

        config_init(c);
        CHECK_ERR(files[i].name, config_read_text(c, "f", files[i].text, strlen(files[i].text), why), files[i].want);
        if (!CHECK_CASE(files[i].name, strncmp(why, files[i].why, strlen(files[i].why)) == 0))
            fprintf(stderr, "    why: %s\n", why);
    }
    char why[CONFIG_WHY_MAX] = "";
    CHECK(config_read_text(c, "f", "relay = yes\0\n", 13, why) == ERR_MALFORMED && strstr(why, "zero byte") != NULL);
    /* One peer more than there may be. */
    char many[4096] = "";
    for (int i = 0; i <= LAN_PEERS_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "peer = h%d:1\n", i);
    config_init(c);
    CHECK(config_read_text(c, "f", many, strlen(many), why) == ERR_TOO_LARGE && strstr(why, "f:33:") != NULL);
    CHECK(c->peer_count == LAN_PEERS_MAX);
    free(c);
}

/* Flags as a shell splits them, at most twelve. */
struct flags { int argc; char *argv[14]; char words[14][64]; };

static void split(struct flags *f, const char *line)
{
    char copy[512], *rest = copy;

    snprintf(copy, sizeof copy, "staffettad %s", line);
    for (f->argc = 0; (rest = strtok(f->argc == 0 ? copy : NULL, " ")) != NULL; f->argc++) {
        REQUIRE(f->argc < 13);
        snprintf(f->words[f->argc], sizeof f->words[0], "%s", rest);
        f->argv[f->argc] = f->words[f->argc];
    }
    f->argv[f->argc] = NULL;
}

static const struct { const char *line; enum err want; const char *why; } flag_cases[] = {
    { "", ERR_NONE, "" },
    { "--relay --no-discovery --no-bluetooth --listen :1 --peer a:1 --peer b:2", ERR_NONE, "" },
    { "--log-level=debug --capacity=1G", ERR_NONE, "" },
    { "--bluetooth hci0", ERR_NONE, "" },
    { "--log-level info --log-level debug", ERR_NONE, "" },
    { "relay", ERR_MALFORMED, "\"relay\" is no flag" },
    { "-x", ERR_MALFORMED, "\"-x\" is no flag" },
    { "--", ERR_MALFORMED, "\"--\" is no flag" },
    { "--colour blue", ERR_MALFORMED, "--colour is no flag" },
    { "--no-listen", ERR_MALFORMED, "--no-listen is no flag" },
    { "--listen", ERR_MALFORMED, "--listen needs a value: ADDR:PORT" },
    { "--config", ERR_MALFORMED, "--config needs a value" },
    { "--listen here", ERR_MALFORMED, "--listen wants ADDRESS:PORT" },
    { "--no-relay=yes", ERR_MALFORMED, "--no-relay takes no value" },
    { "--relay=maybe", ERR_MALFORMED, "--relay wants yes or no" },
};

static void check_flags(void)
{
    struct config *c = malloc(sizeof *c);
    struct config_command command;
    struct flags f;

    REQUIRE(c != NULL);
    for (size_t i = 0; i < sizeof flag_cases / sizeof flag_cases[0]; i++) {
        char why[CONFIG_WHY_MAX] = "";

        split(&f, flag_cases[i].line);
        config_init(c);
        enum err e = config_command_read(&command, f.argc, f.argv, why);
        if (e == ERR_NONE)
            e = config_read_flags(c, &command, why);
        CHECK_ERR(flag_cases[i].line, e, flag_cases[i].want);
        if (!CHECK_CASE(flag_cases[i].line, strncmp(why, flag_cases[i].why, strlen(flag_cases[i].why)) == 0))
            fprintf(stderr, "    why: %s\n", why);
    }
    char why[CONFIG_WHY_MAX];
    split(&f, flag_cases[1].line);
    config_init(c);
    REQUIRE(config_command_read(&command, f.argc, f.argv, why) == ERR_NONE && config_read_flags(c, &command, why) == ERR_NONE);
    CHECK(c->is_relay && !c->is_discovery_on && strcmp(c->bluetooth, "off") == 0 && strcmp(c->listen, ":1") == 0);
    CHECK(c->peer_count == 2 && strcmp(c->peers[1], "b:2") == 0);
    split(&f, "--config f --check-config --relay");
    REQUIRE(config_command_read(&command, f.argc, f.argv, why) == ERR_NONE);
    CHECK(command.action == CONFIG_CHECK && strcmp(command.file, "f") == 0);
    free(c);
}

/* The example is a configuration, and says what holds without it. */
static void check_example(void)
{
    struct config *usual = malloc(sizeof *usual), *c = malloc(sizeof *c);
    char *text = NULL, why[CONFIG_WHY_MAX] = "";
    size_t len;
    FILE *f = open_memstream(&text, &len);

    REQUIRE(usual != NULL && c != NULL && f != NULL);
    config_print_example(f);
    REQUIRE(fclose(f) == 0);
    config_init(usual);
    config_init(c);
    CHECK(config_read_text(c, "example", text, len, why) == ERR_NONE && memcmp(c, usual, sizeof *c) == 0);
    /* With its comment signs taken off, each key that has a default still says the same. */
    for (size_t i = 0; i < config_key_count; i++) {
        char line[256];

        snprintf(line, sizeof line, "\n#%s = ", config_keys[i].name);
        char *at = strstr(text, line);
        CHECK_CASE(config_keys[i].name, at != NULL);
        if (at == NULL || config_keys[i].usual[0] == '\0')
            continue;
        size_t line_len = strcspn(at + 2, "\n");
        config_init(c);
        CHECK_ERR(config_keys[i].name, config_read_text(c, "line", at + 2, line_len, why), ERR_NONE);
        CHECK_CASE(config_keys[i].name, memcmp(c, usual, sizeof *c) == 0);
    }
    free(text);
    free(usual);
    free(c);
}

/* Flags win over the file, the file over the defaults; a file that was asked for has to be there. */
static void check_load(void)
{
    struct config *c = malloc(sizeof *c);
    struct config_command command;
    char path[300], why[CONFIG_WHY_MAX], *argv[] = { "staffettad", "--config", path, "--receipt-delay", "0", NULL };

    REQUIRE(c != NULL);
    snprintf(path, sizeof path, "%s/staffetta.conf", check_folder());
    REQUIRE(config_command_read(&command, 5, argv, why) == ERR_NONE);
    CHECK(config_load(c, &command, why) == ERR_NOT_FOUND && strstr(why, path) != NULL);
    FILE *f = fopen(path, "w");
    REQUIRE(f != NULL && fputs("receipt-delay = 10m\nrelay = yes\n", f) >= 0 && fclose(f) == 0);
    REQUIRE(config_load(c, &command, why) == ERR_NONE);
    CHECK(c->receipt_delay_s == 0 && c->is_relay && c->spread_delay_ms == 1500);
    free(c);
}

int main(void)
{
    setenv("HOME", check_folder(), 1);
    unsetenv("XDG_CONFIG_HOME");
    check_files();
    check_flags();
    check_example();
    check_load();
    return check_report("config");
}
