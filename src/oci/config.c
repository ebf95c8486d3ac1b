/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a config.json may say, see config.h: tables, and the few rules that tie several members together. */
#include "oci/config.h"

#include "oci/config-shapes.h"

int oci_config_parse(const char *text, OciConfig **ret, Error *e) {
        _cleanup_(oci_config_freep) OciConfig *c = calloc(1, sizeof *c);
        int r;

        if (!c)
                return error_oom(e);
        r = json_shape_parse(&oci_config_shape, text, c, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int oci_config_write(const OciConfig *c, Buf *out) {
        return json_shape_write(&oci_config_shape, c, out);
}

OciConfig *oci_config_free(OciConfig *c) {
        if (c)
                json_shape_done(&oci_config_shape, c);
        free(c);
        return NULL;
}

int oci_process_parse(const char *text, OciProcess **ret, Error *e) {
        _cleanup_(oci_process_freep) OciProcess *p = calloc(1, sizeof *p);
        int r;

        if (!p)
                return error_oom(e);
        r = json_shape_parse(&oci_process_shape, text, p, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

OciProcess *oci_process_free(OciProcess *p) {
        if (p)
                json_shape_done(&oci_process_shape, p);
        free(p);
        return NULL;
}

int oci_resources_parse(const char *text, OciResources **ret, Error *e) {
        _cleanup_(oci_resources_freep) OciResources *p = calloc(1, sizeof *p);
        int r;

        if (!p)
                return error_oom(e);
        r = json_shape_parse(&oci_resources_shape, text, p, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

OciResources *oci_resources_free(OciResources *p) {
        if (p)
                json_shape_done(&oci_resources_shape, p);
        free(p);
        return NULL;
}

const OciNamespace *oci_namespace_find(const OciConfig *c, OciNamespaceType type) {
        for (size_t i = 0; i < c->linux_.namespaces.n; i++)
                if (c->linux_.namespaces.v[i].type == (int) type)
                        return c->linux_.namespaces.v + i;
        return NULL;
}
