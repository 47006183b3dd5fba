/* tests/fuzz/fuzz_group_op.c - any bytes as an operation on a group. */
#include <assert.h>

#include "apps/groups/group_roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t hash[GROUP_HASH_LEN];
    struct group_roster *r;
    struct group_op op;
    enum group_verdict v;
    enum err e = group_op_decode(&op, hash, bytes_of(data, size));

    if (e == ERR_NONE)
        assert((op.kind == GROUP_CREATE) == (op.parent_count == 0) && op.parent_count <= GROUP_PARENTS_MAX);
    if (group_roster_new(&r) != ERR_NONE)
        return 0;
    assert(group_roster_add(r, bytes_of(data, size), &v) == ERR_NONE);
    assert((v == GROUP_TAKEN) == (e == ERR_NONE && op.kind == GROUP_CREATE));
    assert(group_roster_count(r) == (v == GROUP_TAKEN ? 1 : 0));
    group_roster_free(r);
    return 0;
}
