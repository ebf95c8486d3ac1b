/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry, see registry.h. Each lookup is one hash and, but for processes that lead no machine,
 * touches no file. */
#include "machined/registry.h"

#include "base/cgroup.h"
#include "base/name.h"
#include "bus/code.h"

/* Deeper than any process tree that somebody would build in earnest. */
#define PARENTS_MAX 256

void registry_done(Registry *r) {
        while (r->first) {
                Machine *m = r->first;
                registry_remove(r, m);
                machine_free(m);
        }
        map_done(&r->by_name);
        map_done(&r->by_unit);
        map_done(&r->by_leader);
}

static bool leader_counts(const Machine *m) {
        return m->leader.pid > 1;
}

int registry_add(Registry *r, Machine *m) {
        if (map_get(&r->by_name, m->name) ||
            (leader_counts(m) && map_get_number(&r->by_leader, (uint64_t) m->leader.pid)))
                return -EEXIST;
        if (m->unit && map_get(&r->by_unit, m->unit))
                m->owns_unit = false;

        if (map_put(&r->by_name, m->name, m) < 0 ||
            (leader_counts(m) && map_put_number(&r->by_leader, (uint64_t) m->leader.pid, m) < 0) ||
            (m->owns_unit && map_put(&r->by_unit, m->unit, m) < 0)) {
                (void) map_remove(&r->by_name, m->name);
                if (leader_counts(m) && map_get_number(&r->by_leader, m->leader.pid) == m)
                        (void) map_remove_number(&r->by_leader, (uint64_t) m->leader.pid);
                return -ENOMEM;
        }

        m->previous = r->last;
        m->next = NULL;
        *(r->last ? &r->last->next : &r->first) = m;
        r->last = m;
        r->n++;
        return 0;
}

void registry_remove(Registry *r, Machine *m) {
        (void) map_remove(&r->by_name, m->name);
        if (m->owns_unit && map_get(&r->by_unit, m->unit) == m)
                (void) map_remove(&r->by_unit, m->unit);
        if (leader_counts(m) && map_get_number(&r->by_leader, (uint64_t) m->leader.pid) == m)
                (void) map_remove_number(&r->by_leader, (uint64_t) m->leader.pid);

        *(m->previous ? &m->previous->next : &r->first) = m->next;
        *(m->next ? &m->next->previous : &r->last) = m->previous;
        m->previous = m->next = NULL;
        r->n--;
}

void registry_disown_unit(Registry *r, Machine *m) {
        if (m->owns_unit && map_get(&r->by_unit, m->unit) == m)
                (void) map_remove(&r->by_unit, m->unit);
        m->owns_unit = false;
}

int registry_set_unit(Registry *r, Machine *m, const char *unit) {
        registry_disown_unit(r, m);

        int k = str_replace(&m->unit, unit);
        if (k < 0)
                return k;
        if (map_put(&r->by_unit, m->unit, m) < 0)
                return -ENOMEM;
        m->owns_unit = true;
        return str_replace(&m->subgroup, NULL);
}

Machine *registry_by_name(const Registry *r, const char *name) {
        return map_get(&r->by_name, name);
}

Machine *registry_by_unit(const Registry *r, const char *unit) {
        return map_get(&r->by_unit, unit);
}

Machine *registry_by_leader(const Registry *r, pid_t pid) {
        return map_get_number(&r->by_leader, (uint64_t) pid);
}

static Machine *by_unit_of(const Registry *r, pid_t pid) {
        _cleanup_free_ char *path = NULL, *unit = NULL;

        if (r->by_unit.n == 0 || cgroup_of_pid(pid, &path) < 0 ||
            cgroup_unit_of_path(path, &unit, NULL) < 0)
                return NULL;
        return registry_by_unit(r, unit);
}

Machine *registry_by_pid(const Registry *r, pid_t pid) {
        for (unsigned i = 0; i < PARENTS_MAX && pid > 1; i++) {
                Machine *m = registry_by_leader(r, pid);
                if (m && !machine_process_has_pid(&m->leader))
                        m = NULL; /* somebody else's by now */
                if (!m)
                        m = by_unit_of(r, pid);
                if (m)
                        return m;
                if (proc_parent(pid, &pid) < 0)
                        break;
        }
        return NULL;
}

int registry_check_name(const char *name, Error *e) {
        if (!hostname_is_valid(name))
                return error_set(e, EINVAL, "'%.64s' is not a valid machine name", name);
        return 0;
}
