/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the settings that join a machine with the host, see spec-parse.h. */
#include "spawn/spec-parse.h"

#include "app/pty-tint.h"
#include "spawn/spec.h"

int spec_parse_resolv_conf(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = { [RESOLV_CONF_AUTO] = "auto",
                                             [RESOLV_CONF_OFF] = "off",
                                             [RESOLV_CONF_DELETE] = "delete",
                                             [RESOLV_CONF_COPY_HOST] = "copy-host",
                                             [RESOLV_CONF_COPY_STATIC] = "copy-static",
                                             [RESOLV_CONF_COPY_UPLINK] = "copy-uplink",
                                             [RESOLV_CONF_COPY_STUB] = "copy-stub",
                                             [RESOLV_CONF_REPLACE_HOST] = "replace-host",
                                             [RESOLV_CONF_REPLACE_STATIC] = "replace-static",
                                             [RESOLV_CONF_REPLACE_UPLINK] = "replace-uplink",
                                             [RESOLV_CONF_REPLACE_STUB] = "replace-stub",
                                             [RESOLV_CONF_BIND_HOST] = "bind-host",
                                             [RESOLV_CONF_BIND_STATIC] = "bind-static",
                                             [RESOLV_CONF_BIND_UPLINK] = "bind-uplink",
                                             [RESOLV_CONF_BIND_STUB] = "bind-stub",
                                             [_RESOLV_CONF_MAX] = NULL };
        const Setting choice = { .data = words };

        return setting_choice(&choice, value, at, e);
}

int spec_parse_timezone(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = {
                [TIMEZONE_AUTO] = "auto",       [TIMEZONE_OFF] = "off",
                [TIMEZONE_COPY] = "copy",       [TIMEZONE_BIND] = "bind",
                [TIMEZONE_SYMLINK] = "symlink", [TIMEZONE_DELETE] = "delete",
                [_TIMEZONE_MAX] = NULL
        };
        const Setting choice = { .data = words };

        return setting_choice(&choice, value, at, e);
}

int spec_parse_network_address(const Setting *row, const char *value, void *at, Error *e) {
        Address a;
        int r = address_parse(value, &a, e);

        if (r < 0)
                return r;
        return address_list_add(at, &a) < 0 ? error_oom(e) : 0;
}

int spec_parse_link_journal(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = {
                [LINK_JOURNAL_AUTO] = "auto",   [LINK_JOURNAL_NO] = "no",
                [LINK_JOURNAL_HOST] = "host",   [LINK_JOURNAL_TRY_HOST] = "try-host",
                [LINK_JOURNAL_GUEST] = "guest", [LINK_JOURNAL_TRY_GUEST] = "try-guest",
                [_LINK_JOURNAL_MAX] = NULL
        };
        const Setting choice = { .data = words };

        return setting_choice(&choice, value, at, e);
}

int spec_parse_background(const Setting *row, const char *value, void *at, Error *e) {
        if (!*value)
                return str_replace(at, NULL) < 0 ? error_oom(e) : 0;
        if (!pty_tint_color_is_valid(value))
                return error_set(e, EINVAL,
                                 "'%.60s' is not a colour in numbers, like 44 or 48;2;0;0;95",
                                 value);
        return setting_string(row, value, at, e);
}
