/* tests/fuzz/fuzz_invite.c - the file of an invite. */
#include <stdlib.h>
#include <string.h>

#include "apps/gateway/invites.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct invite v;

    if (invite_read(&v, (const char *)data, len) == ERR_NONE && (strlen(v.label) > INVITE_LABEL_MAX || v.contributor < 2))
        abort();
    return 0;
}
