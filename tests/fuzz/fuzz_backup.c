/* tests/fuzz/fuzz_backup.c - any bytes as a backup file that is opened by a code, and as the words of one. */
#include <assert.h>

#include "crypto/backup.h"
#include "crypto/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t code[CODE_LEN] = { 1, 2, 3 };
    struct backup_key key = { .code = code };
    struct buffer plain = buffer_of_limit(1 << 20);
    uint8_t read[CODE_LEN], again[CODE_LEN];
    char words[CODE_WORDS_LEN + 1];
    bool wants;

    if (crypto_start() != ERR_NONE)
        return 0;
    /* With a passphrase every try would cost what the file says; that much is checked before. */
    (void)backup_wants_passphrase(bytes_of(data, size), &wants);
    if (backup_open(&plain, bytes_of(data, size), &key) != ERR_NONE)
        assert(plain.len == 0);
    if (code_of_words(read, bytes_of(data, size)) == ERR_NONE) {
        code_words(words, read);
        assert(code_of_words(again, bytes_of_text(words)) == ERR_NONE && secret_is_equal(read, again, CODE_LEN));
    }
    buffer_clear(&plain);
    return 0;
}
