/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IDs of the host and of machines, see id-owner.h. The kernel is asked each time; nothing is kept. */
#include "machined/id-owner.h"

const Machine *id_owner_find(const Registry *r, const char *file, uint32_t outside,
                             uint32_t *ret_inside) {
        if (outside < ID_OWNER_MIN)
                return NULL;
        for (const Machine *i = r->first; i; i = i->next) {
                _cleanup_(idmap_done) IdMap map = {};
                if (i->class == MACHINE_CONTAINER && idmap_read(i->leader.pid, file, &map) >= 0 &&
                    !idmap_is_identity(&map) && idmap_to_inside(&map, outside, ret_inside) >= 0)
                        return i;
        }
        return NULL;
}

int id_owner_map(const Machine *m, const char *file, uint32_t inside, uint32_t *ret_outside) {
        _cleanup_(idmap_done) IdMap map = {};

        if (m->class != MACHINE_CONTAINER)
                return -EOPNOTSUPP;
        int r = idmap_read(m->leader.pid, file, &map);
        return r < 0 ? r : idmap_to_outside(&map, inside, ret_outside);
}

bool id_owner_is_shifted(const Machine *m, const char *file) {
        _cleanup_(idmap_done) IdMap map = {};

        return m->class == MACHINE_CONTAINER && idmap_read(m->leader.pid, file, &map) >= 0 &&
               !idmap_is_identity(&map);
}
