/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what is known of an image's protection to devices that keep to it, see protect.h. */
#include "spawn/protect.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/mapping.h"

/* Partition of a role by its own ID. */
static const Partition *find_by_id(const Dissection *d, PartitionDesignator which,
                                   const Id128 *id) {
        for (size_t i = 0; i < d->n; i++)
                if (d->partitions[i].designator == which && id128_equal(&d->partitions[i].uuid, id))
                        return d->partitions + i;
        return NULL;
}

static bool is_embedded(const Verity *v, const Dissection *d, PartitionDesignator which) {
        return v->root_hash.n > 0 && v->designator == which && v->tree_fd < 0 && v->use_embedded &&
               d->table == PARTITION_TABLE_GPT;
}

int protect_find(const Verity *v, const Dissection *d, PartitionDesignator which,
                 const Partition **ret, Error *e) {
        Id128 data, tree;

        if (!is_embedded(v, d, which))
                return 0;
        root_hash_partitions(&v->root_hash, &data, &tree);
        const Partition *p = find_by_id(d, which, &data);
        if (!p)
                return error_set(e, ENOENT,
                                 "no %s partition has the ID that goes with the root hash",
                                 partition_designator_name(which));
        *ret = p;
        return 1;
}

static int find_tree(const Verity *v, const Dissection *d, PartitionDesignator which,
                     const Partition **ret, Error *e) {
        Id128 data, tree;

        if (v->tree_fd >= 0)
                return 0;
        root_hash_partitions(&v->root_hash, &data, &tree);
        if (is_embedded(v, d, which))
                *ret = find_by_id(d,
                                  which == PARTITION_USR ? PARTITION_USR_VERITY
                                                         : PARTITION_ROOT_VERITY,
                                  &tree);
        return *ret ? 0
                    : error_set(
                              e, ENOENT,
                              "a root hash is known of the %s partition, but there is no hash tree"
                              " for it",
                              partition_designator_name(which));
}

static PartitionFacts facts_of(const Partition *p) {
        bool is_encrypted = p && streq(p->fstype, "crypto_LUKS");

        if (!p)
                return (PartitionFacts){};
        return (PartitionFacts){
                .exists = true,
                .is_encrypted = is_encrypted,
                .read_only = p->flags & PARTITION_READ_ONLY,
                .growfs = p->flags & PARTITION_GROWFS,
                .file_system = is_encrypted || !p->fstype[0] ? NULL : p->fstype,
        };
}

int protect_choose(const ImagePolicy *policy, const Dissection *d, const Verity *v,
                   PartitionDesignator which, const Partition *data, Protection *ret, Error *e) {
        uint32_t flags = image_policy_get(policy, which);
        bool has_hash = v->root_hash.n > 0 && v->designator == which;
        PartitionFacts facts = facts_of(data);
        Protection p = {};
        int r;

        if (has_hash && facts.exists && !facts.is_encrypted &&
            (v->is_asked || (flags & POLICY_ANY_VERITY))) {
                r = find_tree(v, d, which, &p.tree, e);
                if (r < 0)
                        return r;
                facts.has_verity = true;
                facts.has_signature = v->signature.n > 0;
        }
        r = image_policy_choose(policy, which, &facts, &p.use, e);
        if (r < 0)
                return r;
        if (has_hash && v->is_asked && p.use != PARTITION_CHECKED && p.use != PARTITION_SIGNED)
                return error_set(e, EPERM,
                                 "a root hash is given, but the %s partition is not one that can be"
                                 " checked and that the image policy lets be checked",
                                 partition_designator_name(which));
        p.must_sign = !(flags & POLICY_VERITY) || v->signature_is_asked;
        p.may_be_plain = (flags & POLICY_UNPROTECTED) && !v->is_asked;
        *ret = p;
        return 0;
}

int protect_check_rest(const ImagePolicy *policy, const Dissection *d, Error *e) {
        static const PartitionDesignator roles[] = {
                PARTITION_SWAP,       PARTITION_ROOT_VERITY,    PARTITION_ROOT_VERITY_SIG,
                PARTITION_USR_VERITY, PARTITION_USR_VERITY_SIG,
        };

        for (size_t i = 0; i < ELEMENTSOF(roles); i++) {
                PartitionDesignator data = partition_designator_protects(roles[i]);
                const Partition *found = NULL;
                PartitionUse use;

                /* Hash trees that follow from the rule of their data have been judged with it. */
                if (data >= 0 && policy->rules[roles[i]] == 0 && policy->rules[data] != 0)
                        continue;
                for (size_t j = 0; j < d->n && !found; j++)
                        if (d->partitions[j].designator == roles[i])
                                found = d->partitions + j;
                PartitionFacts facts = facts_of(found);
                facts.file_system = NULL;
                int r = image_policy_choose(policy, roles[i], &facts, &use, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The passphrase that the service manager hands us. Return: a descriptor; -EBADF there is none; -errno. */
static int open_passphrase(Error *e) {
        static const char *const names[] = { "image-passphrase", "dissect.passphrase" };
        const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");

        for (size_t i = 0; dir && i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = path_join(dir, names[i]);
                int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
                if (fd >= 0)
                        return fd;
                if (!path || errno != ENOENT)
                        return error_set(e, errno, "cannot open the credential '%s': %m", names[i]);
        }
        return -EBADF;
}

static int open_encrypted(const Spec *spec, const Protection *p, const MappingNames *names,
                          int device_fd, bool read_only, int *ret_fd, Error *e) {
        MappingFlags flags = (read_only ? MAPPING_READ_ONLY : 0) |
                             (p->use == PARTITION_DECRYPTED_CHECKED ? MAPPING_INTEGRITY : 0) |
                             (spec->no_ask_password ? 0 : MAPPING_ASK);
        _cleanup_fd_ int passphrase = open_passphrase(e);

        if (passphrase < 0 && passphrase != -EBADF)
                return passphrase;
        int r = mapping_open_luks(names, device_fd, passphrase, flags, ret_fd, e);
        return r < 0 ? error_wrap(e, r, "it is encrypted") : 0;
}

int protect_open(const Spec *spec, const Protection *p, const Verity *v, const char *what,
                 int device_fd, int tree_fd, bool read_only, int *ret_fd, Error *e) {
        const MappingNames names = { .image = spec->image, .partition = what };
        int r;

        if (p->use == PARTITION_DECRYPTED || p->use == PARTITION_DECRYPTED_CHECKED)
                return open_encrypted(spec, p, &names, device_fd, read_only, ret_fd, e);
        if (p->use != PARTITION_CHECKED && p->use != PARTITION_SIGNED)
                return 1;
        r = mapping_open_verity(&names, device_fd, v->tree_fd >= 0 ? v->tree_fd : tree_fd,
                                &v->root_hash, p->use == PARTITION_SIGNED ? &v->signature : NULL,
                                p->must_sign, ret_fd, e);
        if ((r == -EOPNOTSUPP || r == -ENOPKG) && p->may_be_plain)
                return 1;
        return r < 0 ? error_wrap(e, r, "it is to be checked with verity, as %s",
                                  v->is_asked ? "was asked for" : "the image policy demands")
                     : 0;
}
