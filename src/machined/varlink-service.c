/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.skep.Life: machines as they come and go. */
#include "machined/front.h"

static int send_event(VarlinkLink *link, const char *event, const Machine *machine) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *text;

        front_life_text(&o, event, machine);
        int r = varlink_object_end(&o, &text);
        return r < 0 ? r : varlink_continue(link, text);
}

static int subscribe(VarlinkLink *link, void *parameters, Error *e) {
        const Registry *registry = &((Manager *) varlink_userdata(link))->registry;
        FrontClient *client;
        int r = front_client(link, &client, e);

        for (const Machine *i = registry->first; r >= 0 && i; i = i->next)
                if (manager_edge(i)->is_announced)
                        r = send_event(link, "present", i);
        if (r >= 0)
                r = send_event(link, "ready", NULL);
        if (r < 0)
                return r;
        client->interest = FRONT_LIFE;
        return 0;
}

static const char life_description[] =
        "# Machines as they come and go\n"
        "interface org.skep.Life\n"
        "\n"
        "# First each machine that is there, then \"ready\", then what happens. The list and what follows\n"
        "# have no gap in between. Names and classes are all that is told.\n"
        "method Subscribe() -> (\n"
        "  event: (present, ready, new, removed),\n"
        "  name: ?string,\n"
        "  class: ?string,\n"
        "  service: ?string\n"
        ")\n";

static const VarlinkMethod life_methods[] = {
        { "Subscribe", NULL, subscribe, true },
};
const VarlinkInterface life_interface = { "org.skep.Life", life_description, life_methods,
                                          ELEMENTSOF(life_methods) };
