/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.service: what systemd's own services let one ask of the daemon itself. */
#include <sys/syslog.h>
#include <unistd.h>

#include "varlink/builtin.h"
#include "varlink/object.h"

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
        const VarlinkService *service = varlink_service_of(link);

        if (!is_ours(link))
                return varlink_error(link, "org.varlink.service.PermissionDenied", NULL);
        if (service->set_level)
                service->set_level(link, (int) ((const LevelIn *) parameters)->level.value);
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
        const char *text;
        int r = varlink_object_end(&o, &text);
        return r < 0 ? r : varlink_reply(link, text);
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
const VarlinkInterface varlink_service_interface = { "io.systemd.service", description, methods,
                                                     ELEMENTSOF(methods) };
