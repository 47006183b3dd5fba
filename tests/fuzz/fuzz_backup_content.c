/* tests/fuzz/fuzz_backup_content.c - any bytes as what a backup held. */
#include <assert.h>
#include <string.h>

#include "apps/messenger/backup_content.h"
#include "crypto/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer again = buffer_of_limit(BACKUP_CONTENT_MAX * 2);
    struct backup_content c;

    if (crypto_start() != ERR_NONE || backup_content_decode(&c, bytes_of(data, size)) != ERR_NONE)
        return 0;
    assert(c.friend_count <= FRIENDS_MAX && c.self.name_len > 0 && c.self.name_len <= CARD_NAME_MAX);
    assert(backup_content_encode(&c, &again) == ERR_NONE);
    /* All but the padding is the same. */
    assert(memcmp(again.at, data, size < again.len ? size : again.len) == 0);
    backup_content_clear(&c);
    buffer_clear(&again);
    return 0;
}
