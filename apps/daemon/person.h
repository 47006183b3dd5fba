/* apps/daemon/person.h - the person's side of a node: vault, archive, messenger.
 *
 * Comes and goes on its own while the node carries on: a relay has none, a vault may wait for its passphrase, and a
 * failed disk takes archive and messenger away but not the opened vault. */
#ifndef STA_DAEMON_PERSON_H
#define STA_DAEMON_PERSON_H

#include "apps/daemon/parts.h"

/* Opens what can be opened without asking: the key file, the passphrase file, the service manager's credential. Sets
 * parts->person; being locked or having no identity is no failure. ERR_CORRUPT, ERR_IO, ERR_FULL otherwise, with parts->trouble. */
enum err person_start(struct parts *p);

/* ERR_STATE: nothing is locked. ERR_AUTH. */
enum err person_unlock(struct parts *p, struct bytes passphrase);

/* Makes the identity; uncommitted until the turn ends. An empty passphrase: a key file. ERR_EXISTS, ERR_MALFORMED (the name),
 * ERR_AUTH (a vault without an identity wants another passphrase), ERR_REFUSED (only a relay). */
enum err person_init(struct parts *p, struct bytes name, struct bytes passphrase);

/* The same with the person of a backup (messenger_restore, whose errors it adds). `passphrase` is the new vault's. */
enum err person_restore(struct parts *p, struct bytes file, const struct backup_key *key, struct bytes passphrase, uint32_t *friends);

enum err person_change_passphrase(struct parts *p, struct bytes passphrase);

/* Destroys the keys, in memory and on disk. */
enum err person_panic(struct parts *p);

/* Raises the generation counter (protocol section 8), now and then, so that a copy of the database is told from the original. */
void person_raise_generation(struct parts *p);

/* Closes archive and messenger; the vault only when `is_final`. */
void person_stop(struct parts *p, bool is_final);

#endif
