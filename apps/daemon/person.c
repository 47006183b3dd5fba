/* apps/daemon/person.c - the person's side of a node: vault, archive, messenger. */
#define _DEFAULT_SOURCE
#include "apps/daemon/person.h"

#include <stdlib.h>
#include <string.h>

#include "apps/service/clock.h"

static void say_trouble(struct parts *p, const char *what, enum err e)
{
    snprintf(p->trouble, sizeof p->trouble, "%s: %s", what, err_text(e));
    log_line(p->log, LOG_LEVEL_ERROR, "%s", p->trouble);
}

static struct messenger_config messenger_config_of(const struct parts *p)
{
    struct messenger_config c = {
        .archive = p->archive, .store = p->store, .node = p->node, .rng = p->rng,
        .wall_unix_s = clock_wall_unix_s(), .receipt_delay_s = (uint32_t)p->config->receipt_delay_s,
        .has_been_restored = p->has_been_restored, .blobs = p->blobs, .gateway_budget_bytes = p->config->media_budget_bytes,
    };
    return c;
}

static enum err open_archive(struct parts *p)
{
    struct archive_sealer sealer = profile_sealer(p->vault);

    return p->archive != NULL ? ERR_NONE : archive_open(&p->archive, p->db, &sealer);
}

/* The vault is open: archive, generation, messenger. */
static enum err open_messenger(struct parts *p)
{
    enum err e;

    if ((e = open_archive(p)) != ERR_NONE)
        return e;
    bool is_rolled_back = false;
    if ((e = profile_generation_raise(p->paths, p->archive, p->db, &is_rolled_back)) != ERR_NONE)
        return e;
    if (is_rolled_back) {
        p->has_been_restored = true;
        log_line(p->log, LOG_LEVEL_WARNING, "the database is older than the node: restored from a copy; sessions start anew");
    }
    if (p->blobs == NULL && (e = blobs_open(&p->blobs, p->paths->media)) != ERR_NONE) {
        /* Texts go on without. */
        log_line(p->log, LOG_LEVEL_WARNING, "photos and files cannot be kept in %s: %s", p->paths->media, err_text(e));
        p->blobs = NULL;
    }
    struct messenger_config config = messenger_config_of(p);
    e = messenger_open(&p->messenger, &config);
    p->person = e == ERR_NONE ? PERSON_OPEN : PERSON_NONE;
    p->is_mailbox_stale = true;
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

/* The passphrase that stands ready, if one does. False: none. */
static bool ready_passphrase(const struct parts *p, char to[PASSPHRASE_LEN_MAX + 1])
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char path[PROFILE_PATH_MAX];
    enum err e;

    if (p->config->passphrase_file[0] != '\0') {
        e = profile_read_passphrase(p->config->passphrase_file, to);
        if (e != ERR_NONE)
            log_line(p->log, LOG_LEVEL_WARNING, "the passphrase file cannot be used: %s", err_text(e));
        return e == ERR_NONE;
    }
    if (credentials == NULL)
        return false;
    int n = snprintf(path, sizeof path, "%s/passphrase", credentials);
    return n > 0 && (size_t)n < sizeof path && profile_read_passphrase(path, to) == ERR_NONE;
}

/* A vault that does not open leaves the relay running: only the person has to wait. */
static void open_vault(struct parts *p, enum profile_vault kind)
{
    char passphrase[PASSPHRASE_LEN_MAX + 1] = "";
    enum err e = ERR_AUTH;

    p->person = PERSON_LOCKED;
    if (kind == PROFILE_VAULT_KEY_FILE) {
        e = profile_vault_open(p->paths, bytes_of(NULL, 0), &p->vault);
        if (e != ERR_NONE) {
            p->person = PERSON_DAMAGED;
            say_trouble(p, "the vault does not open with its key file", e);
        }
    } else if (ready_passphrase(p, passphrase)) {
        e = profile_vault_open(p->paths, bytes_of_text(passphrase), &p->vault);
        if (e == ERR_AUTH)
            log_line(p->log, LOG_LEVEL_WARNING, "the passphrase given does not open the vault; `staffetta unlock` does");
        else if (e != ERR_NONE)
            say_trouble(p, "the vault does not open", e);
    } else {
        log_line(p->log, LOG_LEVEL_INFO, "the vault is locked: carrying for others until `staffetta unlock`");
    }
    profile_wipe(passphrase, sizeof passphrase);
}

enum err person_start(struct parts *p)
{
    enum profile_vault kind;
    enum err e;

    if (p->config->is_relay) {
        p->person = PERSON_OFF;
        return ERR_NONE;
    }
    if (p->vault == NULL) {
        e = profile_vault_kind(p->paths, &kind);
        if (e != ERR_NONE) {
            p->person = PERSON_DAMAGED;
            say_trouble(p, "the vault cannot be read", e);
            return ERR_NONE;
        }
        if (kind == PROFILE_VAULT_NONE) {
            p->person = PERSON_NONE;
            return ERR_NONE;
        }
        open_vault(p, kind);
    }
    if (p->vault == NULL)
        return ERR_NONE;
    e = open_messenger(p);
    if (e == ERR_CORRUPT || e == ERR_VERSION) {
        /* The relay goes on; the disk's trouble is told and not made worse. */
        p->person = PERSON_DAMAGED;
        say_trouble(p, "identity and messages cannot be read", e);
        return ERR_NONE;
    }
    return e;
}

/* A change that the database did not take leaves memory ahead of the disk. */
static enum err note_failure(struct parts *p, enum err e)
{
    p->needs_reopen = p->needs_reopen || e == ERR_FULL || e == ERR_IO || e == ERR_CORRUPT;
    return e;
}

enum err person_unlock(struct parts *p, struct bytes passphrase)
{
    enum err e;

    if (p->person != PERSON_LOCKED || p->vault != NULL)
        return ERR_STATE;
    if (p->db == NULL)
        return ERR_IO;
    if ((e = profile_vault_open(p->paths, passphrase, &p->vault)) != ERR_NONE)
        return e;
    e = open_messenger(p);
    if (e != ERR_NONE) {
        person_stop(p, true);
        p->person = PERSON_LOCKED;
    }
    return note_failure(p, e);
}

/* How somebody comes to be here: by a name, or out of a backup. */
struct birth { struct bytes name, file; const struct backup_key *key; uint32_t *friends; };

static enum err be_born(const struct messenger_config *config, const struct birth *b)
{
    return b->key != NULL ? messenger_restore(config, b->file, b->key, b->friends) : messenger_init(config, b->name);
}

static enum err make_person(struct parts *p, const struct birth *birth, struct bytes passphrase)
{
    bool is_made = false;
    enum err e = ERR_NONE;

    if (p->person == PERSON_OFF)
        return ERR_REFUSED;
    if (p->person == PERSON_LOCKED)
        return ERR_LOCKED;
    if (p->person == PERSON_DAMAGED)
        return ERR_CORRUPT;
    if (p->person == PERSON_OPEN)
        return ERR_EXISTS;
    if (p->db == NULL)
        return ERR_IO;
    if (p->vault == NULL) {
        e = profile_vault_create(p->paths, passphrase, &p->vault);
        is_made = e == ERR_NONE;
        if (e == ERR_EXISTS)
            e = profile_vault_open(p->paths, passphrase, &p->vault);
    }
    if (e != ERR_NONE || (e = open_archive(p)) != ERR_NONE)
        return note_failure(p, e);
    struct messenger_config config = messenger_config_of(p);
    if ((e = be_born(&config, birth)) != ERR_NONE && is_made) {
        /* A vault without anybody in it would hold the next try to this passphrase. */
        person_stop(p, true);
        (void)vault_panic(p->paths->vault, p->paths->key);
    }
    return note_failure(p, e == ERR_NONE ? open_messenger(p) : e);
}

enum err person_init(struct parts *p, struct bytes name, struct bytes passphrase)
{
    const struct birth birth = { .name = name };

    return make_person(p, &birth, passphrase);
}

enum err person_restore(struct parts *p, struct bytes file, const struct backup_key *key, struct bytes passphrase, uint32_t *friends)
{
    const struct birth birth = { .file = file, .key = key, .friends = friends };

    return make_person(p, &birth, passphrase);
}

enum err person_change_passphrase(struct parts *p, struct bytes passphrase)
{
    if (p->vault == NULL)
        return p->person == PERSON_LOCKED ? ERR_LOCKED : ERR_NOT_FOUND;
    return profile_vault_change(p->paths, p->vault, passphrase);
}

enum err person_panic(struct parts *p)
{
    /* The keys first; closing the rest takes longer and matters less. */
    enum err e = vault_panic(p->paths->vault, p->paths->key);

    p->is_panicking = true;
    person_stop(p, true);
    p->person = PERSON_NONE;
    return e == ERR_NOT_FOUND ? ERR_NONE : e;
}

void person_raise_generation(struct parts *p)
{
    bool is_rolled_back;

    if (p->archive == NULL || p->person != PERSON_OPEN)
        return;
    if (profile_generation_raise(p->paths, p->archive, p->db, &is_rolled_back) != ERR_NONE)
        p->needs_reopen = true;
}

void person_stop(struct parts *p, bool is_final)
{
    messenger_close(p->messenger);
    archive_close(p->archive);
    blobs_close(p->blobs);
    p->blobs = NULL;
    p->messenger = NULL;
    p->archive = NULL;
    if (is_final) {
        vault_close(p->vault);
        p->vault = NULL;
    }
}
