/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network of a Spec, see network-spec.h. */
#include "spawn/network-spec.h"

#include "base/text.h"

static void pairs_done(NetworkPairs *p) {
        for (size_t i = 0; i < p->n; i++) {
                free(p->v[i].host);
                free(p->v[i].inside);
        }
        free(p->v);
}

void network_spec_done(NetworkSpec *n) {
        pairs_done(&n->veth_extra);
        pairs_done(&n->interfaces);
        pairs_done(&n->macvlan);
        pairs_done(&n->ipvlan);
        free(n->bridge);
        free(n->zone);
        free(n->namespace_path);
        *n = (NetworkSpec){};
}

int network_pairs_add(NetworkPairs *p, const char *text, size_t host_max, Error *e) {
        const char *colon = strchr(text, ':'), *inside = colon ? colon + 1 : NULL;
        _cleanup_free_ char *host = strndup(text, colon ? (size_t) (colon - text) : strlen(text));

        if (!host)
                return error_oom(e);
        if (!link_name_is_valid(host, host_max))
                return error_set(e, EINVAL,
                                 "'%.60s' is not the name that a network interface can have", host);
        if (inside && !link_name_is_valid(inside, IFNAMSIZ))
                return error_set(e, EINVAL,
                                 "'%.60s' is not the name that a network interface can have",
                                 inside);

        NetworkPair *v = reallocarray(p->v, p->n + 1, sizeof *v);
        if (!v)
                return error_oom(e);
        p->v = v;
        v[p->n] = (NetworkPair){};
        if (inside) {
                v[p->n].inside = strdup(inside);
                if (!v[p->n].inside)
                        return error_oom(e);
        }
        v[p->n++].host = TAKE_PTR(host);
        return 0;
}
