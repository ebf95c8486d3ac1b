/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.service: the daemon itself; and org.skep.Life: machines as they come and go. */
#include <unistd.h>

#include "machined/front.h"

static int ping(VarlinkLink *link, void *parameters, Error *e) {
        return varlink_reply(link, NULL);
}

typedef struct LevelIn {
        JsonInteger level;
} LevelIn;

static const JsonRow level_rows[] = {
        { .name = "level",
          .kind = &json_integer_kind,
          .at = offsetof(LevelIn, level),
          .min = 0,
          .max = LOG_DEBUG,
          .required = true },
};
static const JsonShape level_shape = { level_rows, ELEMENTSOF(level_rows), sizeof(LevelIn), NULL };

static bool is_ours(VarlinkLink *link) {
        uid_t uid = varlink_peer(link)->uid;

        return uid == 0 || uid == getuid();
}

static int set_level(VarlinkLink *link, void *parameters, Error *e) {
        LogControl *log = &((Manager *) varlink_userdata(link))->daemon.log;

        if (!is_ours(link))
                return varlink_error(link, "org.varlink.service.PermissionDenied", NULL);
        log->level = (int) ((const LevelIn *) parameters)->level.value;
        if (log->set_level)
                log->set_level(log->level);
        return varlink_reply(link, NULL);
}

static int get_environment(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        _cleanup_strv_ char **v = NULL;

        if (!is_ours(link))
                return varlink_error(link, "org.varlink.service.PermissionDenied", NULL);
        STRV_FOREACH(s, environ)
                if (str_is_utf8(*s, strlen(*s)) && strv_append(&v, *s) < 0)
                        return error_oom(e);
        varlink_put_strings(&o, "environment", v);
        return front_reply(link, &o);
}

static const char description[] = "# The daemon behind the socket\n"
                                  "interface io.systemd.service\n"
                                  "\n"
                                  "# Does nothing\n"
                                  "method Ping() -> ()\n"
                                  "\n"
                                  "# How much it says, as in syslog(3)\n"
                                  "method SetLogLevel(level: int) -> ()\n"
                                  "\n"
                                  "# What it was started with\n"
                                  "method GetEnvironment() -> (environment: ?[]string)\n"
                                  "\n"
                                  "error InconsistentEnvironment ()\n";

static const VarlinkMethod methods[] = {
        { "Ping", NULL, ping, false },
        { "SetLogLevel", &level_shape, set_level, false },
        { "GetEnvironment", NULL, get_environment, false },
};
const VarlinkInterface service_interface = { "io.systemd.service", description, methods,
                                             ELEMENTSOF(methods) };

/* Machines that come and go */

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
