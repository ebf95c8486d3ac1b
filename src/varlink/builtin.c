/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface by which one learns what a service offers, see builtin.h. */
#include "varlink/builtin.h"

#include "varlink/object.h"

static const char description
        [] = "# What every service tells of itself\n"
             "interface org.varlink.service\n"
             "\n"
             "# Who made this, and which interfaces there are\n"
             "method GetInfo() -> (\n"
             "  vendor: string,\n"
             "  product: string,\n"
             "  version: string,\n"
             "  url: string,\n"
             "  interfaces: []string\n"
             ")\n"
             "\n"
             "# An interface in the language that this is written in\n"
             "method GetInterfaceDescription(interface: string) -> (description: string)\n"
             "\n"
             "error InterfaceNotFound (interface: string)\n"
             "error MethodNotFound (method: string)\n"
             "error MethodNotImplemented (method: string)\n"
             "error InvalidParameter (parameter: string)\n"
             "error PermissionDenied ()\n"
             "error ExpectedMore ()\n";

typedef struct DescriptionIn {
        char *interface;
} DescriptionIn;

static const JsonRow description_rows[] = {
        { .name = "interface",
          .kind = &json_string_kind,
          .at = offsetof(DescriptionIn, interface),
          .required = true },
};
static const JsonShape description_shape = { description_rows, ELEMENTSOF(description_rows),
                                             sizeof(DescriptionIn), NULL };

static int get_info(VarlinkLink *link, void *parameters, Error *e);
static int get_description(VarlinkLink *link, void *parameters, Error *e);

static const VarlinkMethod methods[] = {
        { "GetInfo", NULL, get_info, false },
        { "GetInterfaceDescription", &description_shape, get_description, false },
};
static const VarlinkInterface builtin = { "org.varlink.service", description, methods,
                                          ELEMENTSOF(methods) };

static const VarlinkInterface *find_interface(const VarlinkService *service, const char *name) {
        if (streq(name, builtin.name))
                return &builtin;
        for (const VarlinkInterface *const *i = service->interfaces; *i; i++)
                if (streq((*i)->name, name))
                        return *i;
        return NULL;
}

int varlink_find_method(const VarlinkService *service, const char *interface, const char *method,
                        const VarlinkMethod **ret) {
        const VarlinkInterface *found = find_interface(service, interface);

        if (!found)
                return -ENOENT;
        for (size_t i = 0; i < found->n_methods; i++)
                if (streq(found->methods[i].name, method)) {
                        *ret = found->methods + i;
                        return 1;
                }
        return 0;
}

static int answer(VarlinkLink *link, VarlinkObject *o) {
        const char *text;
        int r = varlink_object_end(o, &text);

        return r < 0 ? r : varlink_reply(link, text);
}

static int get_info(VarlinkLink *link, void *parameters, Error *e) {
        const VarlinkService *service = varlink_service_of(link);
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        _cleanup_strv_ char **names = NULL;
        int r = strv_append(&names, builtin.name);

        for (const VarlinkInterface *const *i = service->interfaces; r >= 0 && *i; i++)
                r = strv_append(&names, (*i)->name);
        if (r < 0)
                return error_oom(e);
        varlink_put_string(&o, "vendor", service->vendor);
        varlink_put_string(&o, "product", service->product);
        varlink_put_string(&o, "version", service->version);
        varlink_put_string(&o, "url", service->url);
        varlink_put_strings(&o, "interfaces", names);
        return answer(link, &o);
}

static int get_description(VarlinkLink *link, void *parameters, Error *e) {
        const DescriptionIn *in = parameters;
        const VarlinkInterface *found = find_interface(varlink_service_of(link), in->interface);
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *text;

        if (found) {
                varlink_put_string(&o, "description", found->description);
                return answer(link, &o);
        }
        varlink_put_string(&o, "interface", in->interface);
        int r = varlink_object_end(&o, &text);
        return r < 0 ? r : varlink_error(link, "org.varlink.service.InterfaceNotFound", text);
}
