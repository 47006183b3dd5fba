/* tests/fuzz/fuzz_bundle.c - a bundle as a link or a file brings it: header, id, stamp, plain signature, and a node
 * that imports it.
 */
#include <stdlib.h>
#include <string.h>

#include "mesh/bundle.h"
#include "mesh/node.h"
#include "tests/support/seeded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header h;
    struct bundle_id id;
    struct seeded g;
    struct db *db;
    struct store *store;
    struct node *node;
    uint8_t head[HEADER_LEN];

    if (size < 3)
        return 0;
    struct bytes bundle = bytes_of(data + 3, size - 3);
    bool is_bundle = header_of_bundle(&h, bundle) == ERR_NONE;
    if (is_bundle) {
        header_encode(&h, head);
        if (memcmp(head, bundle.at, HEADER_LEN) != 0)
            abort();
        bundle_id_of(&id, bundle);
        (void)stamp_bits(&id, h.stamp);
        (void)bundle_verify_plain(&h, bundle);
    }
    seeded_init(&g, 1);
    if (db_open_mem(&db) != ERR_NONE || store_open(&store, db, NULL) != ERR_NONE)
        abort();
    struct node_config config = { .store = store, .db = db, .rng = seeded_rng(&g), .wall_unix_s = 1795305600,
                                  .is_wall_trusted = (data[0] & 0x80) != 0 };
    if (node_new(&node, &config) != ERR_NONE)
        abort();
    enum err e = node_import(node, bundle, data[0] & 0x7f, (uint16_t)(data[1] | data[2] << 8), 1);
    if ((e == ERR_NONE) != is_bundle && e == ERR_NONE)
        abort();
    if (e == ERR_NONE && node_import(node, bundle, 1, 6, 2) != ERR_EXISTS)
        abort();
    node_free(node);
    store_close(store);
    db_close(db);
    return 0;
}
