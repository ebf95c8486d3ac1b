/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads signature partitions, see signature.h. Whether one is worth anything is for those to say who know
 * whom they trust. */
#include "dissect/signature.h"

#include <jansson.h>
#include <unistd.h>

#include "base/fd.h"

#define JSON_MAX (4 * SIGNATURE_SIZE_MAX / 3 + 4096)

static void value_free(json_t *j) {
        json_decref(j);
}
DEFINE_CLEANUP(json_t *, value_free)

/* Its tables are seeded from a file otherwise, which cannot be opened by then. */
void signature_prepare(void) {
        json_object_seed(1);
}

int signature_read(int fd, Dissection *d, Error *e) {
        const Partition *p = d->partitions + d->n - 1;
        size_t size = (size_t) MIN(p->size, (uint64_t) JSON_MAX);
        _cleanup_free_ char *text = malloc(size);
        _cleanup_(buf_done) Buf bytes = {};
        RootHash hash;

        if (!text)
                return error_oom(e);
        ssize_t n = pread(fd, text, size, (off_t) p->offset);
        if (n < 0)
                return error_set(e, EIO, "cannot read the image");

        /* What follows the object is the rest of the partition. */
        _cleanup_(value_freep)
                json_t *j = json_loadb(text, (size_t) n, JSON_DISABLE_EOF_CHECK, NULL);
        const char *hash_text = json_string_value(json_object_get(j, "rootHash"));
        const char *signature = json_string_value(json_object_get(j, "signature"));
        if (!hash_text || !signature || root_hash_parse(hash_text, &hash) < 0)
                return 0;
        int r = signature_parse(signature, &bytes);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r >= 0)
                (void) dissection_add_signature(d, &hash, &bytes);
        return 0;
}
