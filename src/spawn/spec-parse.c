/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the spawner's settings, see spec-parse.h. Each reader looks at one value alone; what goes
 * together with what is spec_check()'s. Nothing here looks at the disk. */
#include "spawn/spec-parse.h"

#include <unistd.h>

#include "base/name.h"
#include "base/parse.h"
#include "base/path.h"
#include "spawn/capability.h"
#include "spawn/mount-plan.h"
#include "spawn/property.h"
#include "spawn/spec.h"

static int parse_start(const char *value, StartMode mode, StartMode *start, Error *e) {
        bool on;

        if (parse_bool(value, &on) < 0)
                return error_set(e, EINVAL, "'%.60s' is neither yes nor no", value);
        if (on)
                *start = mode;
        else if (*start == mode)
                *start = START_COMMAND;
        return 0;
}

int spec_parse_boot(const Setting *row, const char *value, void *at, Error *e) {
        return parse_start(value, START_BOOT, at, e);
}

int spec_parse_as_pid2(const Setting *row, const char *value, void *at, Error *e) {
        return parse_start(value, START_AS_PID2, at, e);
}

int spec_parse_hostname(const Setting *row, const char *value, void *at, Error *e) {
        if (!hostname_is_valid(value))
                return error_set(e, EINVAL, "'%.80s' is not a valid host name", value);
        return setting_string(row, value, at, e);
}

int spec_parse_image_policy(const Setting *row, const char *value, void *at, Error *e) {
        return image_policy_parse(value, at, e);
}

int spec_parse_root_hash(const Setting *row, const char *value, void *at, Error *e) {
        return root_hash_parse(value, at) < 0
                       ? error_set(e, EINVAL,
                                   "'%.140s' is not a root hash: 32 to 128 hexadecimal digits",
                                   value)
                       : 0;
}

int spec_parse_signature(const Setting *row, const char *value, void *at, Error *e) {
        int r = signature_check(value, e);

        return r < 0 ? r : setting_string(row, value, at, e);
}

int spec_parse_uuid(const Setting *row, const char *value, void *at, Error *e) {
        Id128 id;

        if (id128_parse(value, &id) < 0)
                return error_set(e, EINVAL, "'%.60s' is not a 128-bit ID", value);
        if (id128_is_null(&id))
                return error_set(e, EINVAL, "the ID must not be all zero");
        *(Id128 *) at = id;
        return 0;
}

int spec_parse_slice(const Setting *row, const char *value, void *at, Error *e) {
        const char *suffix = str_has_suffix(value, ".slice") ? "" : ".slice";
        size_t n = strlen(value) - (*suffix ? 0 : strlen(".slice"));

        for (size_t i = 0; i < n; i++)
                if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@",
                            value[i]) ||
                    (value[i] == '-' && (i == 0 || value[i - 1] == '-' || i == n - 1)))
                        n = 0;
        if (n == 0 || n > 200)
                return error_set(e, EINVAL, "'%.80s' is not the name of a slice", value);

        _cleanup_free_ char *name = str_format("%s%s", value, suffix);
        if (!name)
                return error_oom(e);
        return setting_string(row, name, at, e);
}

int spec_parse_property(const Setting *row, const char *value, void *at, Error *e) {
        int r = property_check(value, e);

        return r < 0 ? r : setting_strings(row, value, at, e);
}

static int set_environment(char ***environment, const char *assignment, Error *e) {
        if (!env_assignment_is_valid(assignment))
                return error_set(e, EINVAL, "'%.80s' is not NAME=VALUE", assignment);
        return strv_env_set(environment, assignment) < 0 ? error_oom(e) : 0;
}

int spec_parse_setenv(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_free_ char *copied = NULL;

        if (!strchr(value, '=')) {
                if (!env_name_is_valid(value, strlen(value)))
                        return error_set(e, EINVAL, "'%.80s' is not the name of a variable", value);
                const char *ours = getenv(value);
                if (!ours)
                        return 0;
                copied = str_format("%s=%s", value, ours);
                if (!copied)
                        return error_oom(e);
        }
        if (copied && settings_restate(copied) < 0)
                return error_oom(e);
        return set_environment(at, copied ? copied : value, e);
}

int spec_parse_environment(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_strv_ char **words = NULL;
        int r = setting_words(row, value, &words, e);

        if (r < 0)
                return r;
        if (!words)
                *(char ***) at = strv_free(*(char ***) at);
        STRV_FOREACH(word, words) {
                r = set_environment(at, *word, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int spec_parse_word_or_bool(const char *const *words, int no, int yes, const char *value, int *ret,
                            Error *e) {
        const Setting choice = { .data = words };
        bool on;

        if (parse_bool(value, &on) >= 0) {
                *ret = on ? yes : no;
                return 0;
        }
        return setting_choice(&choice, value, ret, e);
}

int spec_parse_settings_mode(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = { [SETTINGS_YES] = "yes",
                                             [SETTINGS_NO] = "no",
                                             [SETTINGS_OVERRIDE] = "override",
                                             [SETTINGS_TRUSTED] = "trusted",
                                             [_SETTINGS_MODE_MAX] = NULL };

        return spec_parse_word_or_bool(words, SETTINGS_NO, SETTINGS_YES, value, at, e);
}

int spec_parse_dump(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = { [DUMP_NO] = "no",
                                             [DUMP_TEXT] = "text",
                                             [DUMP_JSON] = "json",
                                             [_DUMP_FORM_MAX] = NULL };

        return spec_parse_word_or_bool(words, DUMP_NO, DUMP_TEXT, value, at, e);
}

int spec_parse_register(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = { [REGISTER_AUTO] = "auto",
                                             [REGISTER_NO] = "no",
                                             [REGISTER_YES] = "yes",
                                             [_REGISTER_MODE_MAX] = NULL };

        return spec_parse_word_or_bool(words, REGISTER_NO, REGISTER_YES, value, at, e);
}

int spec_parse_console(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = {
                [CONSOLE_AUTO] = "auto",           [CONSOLE_INTERACTIVE] = "interactive",
                [CONSOLE_READ_ONLY] = "read-only", [CONSOLE_PASSIVE] = "passive",
                [CONSOLE_PIPE] = "pipe",           [CONSOLE_AUTOPIPE] = "autopipe",
                [_CONSOLE_MODE_MAX] = NULL
        };
        const Setting choice = { .data = words };

        return setting_choice(&choice, value, at, e);
}

int spec_parse_api_vfs(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = { [API_VFS_READ_ONLY] = "no",
                                             [API_VFS_WRITABLE] = "yes",
                                             [API_VFS_NETWORK] = "network",
                                             [_API_VFS_WRITABLE_MAX] = NULL };

        return spec_parse_word_or_bool(words, API_VFS_READ_ONLY, API_VFS_WRITABLE, value, at, e);
}

int spec_parse_capabilities(const Setting *row, const char *value, void *at, Error *e) {
        uint64_t mask = UINT64_MAX;
        int r = streq(value, "all") ? 0 : capability_mask_parse(value, &mask, e);

        if (r >= 0)
                *(uint64_t *) at |= mask;
        return r;
}

int spec_parse_ambient(const Setting *row, const char *value, void *at, Error *e) {
        uint64_t mask;
        int r = capability_mask_parse(value, &mask, e);

        if (r >= 0)
                *(uint64_t *) at |= mask;
        return r;
}

int spec_parse_system_calls(const Setting *row, const char *value, void *at, Error *e) {
        SeccompList **list = at;

        if (!*list) {
                *list = calloc(1, sizeof **list);
                if (!*list)
                        return error_oom(e);
        }
        return seccomp_list_parse(value, *list, e);
}

int spec_parse_families(const Setting *row, const char *value, void *at, Error *e) {
        const SettingOrigin *origin = settings_origin();
        Spec *s = spec_of(row, at);

        return family_list_parse(value, origin && !origin->trusted ? &s->families_untrusted : at,
                                 e);
}

int spec_parse_bool_not(const Setting *row, const char *value, void *at, Error *e) {
        bool on;
        int r = setting_bool(row, value, &on, e);

        if (r >= 0)
                *(bool *) at = !on;
        return r;
}

int spec_parse_unmask(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_strv_ char **words = NULL;

        if (str_split(value, ", \t\n", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                if (!streq(*word, "all") && !mount_plan_covers(*word))
                        return error_set(e, EINVAL, "nothing covers '%.80s' that could be left out",
                                         *word);
                if (strv_append(at, *word) < 0)
                        return error_oom(e);
        }
        return 0;
}

int spec_parse_share(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_strv_ char **words = NULL;
        Spec *s = spec_of(row, at);

        if (str_split(value, ", \t\n", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                if (streq(*word, "ipc"))
                        s->share_ipc = true;
                else if (streq(*word, "uts"))
                        s->share_uts = true;
                else if (streq(*word, "pid"))
                        return error_set(e, EOPNOTSUPP,
                                         "a machine has processes of its own always");
                else
                        return error_set(e, EINVAL, "'%.40s' is not one of ipc, uts", *word);
        }
        return 0;
}

int spec_parse_container_service(const Setting *row, const char *value, void *at, Error *e) {
        size_t n = strlen(value);

        if (n == 0 || n > 60 ||
            strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+:_-") <
                    n)
                return error_set(e, EINVAL, "'%.60s' is not the name of a container manager",
                                 value);
        return setting_string(row, value, at, e);
}

/* Options of a bind mount, "norbind,idmap". */
static int parse_bind_options(const char *options, CustomMount *m, Error *e) {
        static const char *const idmaps[] = { [MOUNT_IDMAP_NO] = "noidmap",
                                              [MOUNT_IDMAP_ALL] = "idmap",
                                              [MOUNT_IDMAP_ROOT] = "rootidmap",
                                              [MOUNT_IDMAP_OWNER] = "owneridmap" };
        _cleanup_strv_ char **words = NULL;

        if (str_split(options, ",", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                bool known = streq(*word, "rbind") || streq(*word, "norbind");

                if (known)
                        m->norecursive = streq(*word, "norbind");
                if (streq(*word, "suid") || streq(*word, "nosuid")) {
                        m->setuid = streq(*word, "suid") ? 1 : -1;
                        known = true;
                }
                for (size_t i = 0; i < ELEMENTSOF(idmaps); i++)
                        if (streq(*word, idmaps[i])) {
                                m->idmap = (MountIdmap) i;
                                known = true;
                        }
                if (!known)
                        return error_set(e, EINVAL, "unknown option '%.60s' of a bind mount",
                                         *word);
        }
        return 0;
}

int spec_parse_source(const char *value, char **ret, Error *e) {
        const Setting row = {};

        if (!*value)
                return setting_string(&row, value, ret, e);
        if (*value != '+')
                return setting_path(&row, value, ret, e);
        if (!path_is_safe(value + 1))
                return error_set(e, EINVAL, "'%.200s' is not '+' and an absolute path without '..'",
                                 value);
        return setting_string(&row, value, ret, e);
}

int spec_restate_paths(char *const *parts, size_t n_paths, Error *e) {
        _cleanup_(buf_done) Buf text = {};
        bool any = false;
        int r = 0;

        for (size_t i = 0; i < n_paths; i++)
                any = any || (parts[i][0] && !strchr("/+", parts[i][0]));
        for (size_t i = 0; any && parts[i] && r >= 0; i++) {
                _cleanup_free_ char *path = NULL;
                if (i < n_paths)
                        r = spec_parse_source(parts[i], &path, e);
                if (r < 0)
                        return r;
                if (i > 0)
                        r = buf_puts(&text, ":");
                for (const char *c = strempty(path ? path : parts[i]); *c && r >= 0; c++)
                        r = strchr(":\\", *c) ? buf_printf(&text, "\\%c", *c)
                                              : buf_append(&text, c, 1);
        }
        return r < 0 || (any && settings_restate(text.p) < 0) ? error_oom(e) : 0;
}

static int add_bind(Spec *s, CustomMountType type, const char *value, Error *e) {
        _cleanup_(custom_mount_done) CustomMount m = { .type = type };
        _cleanup_strv_ char **parts = NULL;
        const Setting row = {};
        int r = str_split_colon(value, &parts);

        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0 || strv_length(parts) < 1 || strv_length(parts) > 3)
                return error_set(e, EINVAL, "'%.200s' is not SOURCE[:TARGET[:OPTIONS]]", value);
        size_t n = strv_length(parts);

        r = spec_parse_source(parts[0], &m.source, e);
        if (r < 0)
                return r;
        const char *target = n > 1 && *parts[1] ? parts[1] : m.source + (*m.source == '+');
        r = setting_inner_path(&row, target, &m.target, e);
        if (r >= 0 && n > 2)
                r = parse_bind_options(parts[2], &m, e);
        if (r >= 0)
                r = spec_restate_paths(parts, 1, e);
        if (r < 0)
                return r;
        return spec_add_mount(s, &m) < 0 ? error_oom(e) : 0;
}

int spec_parse_bind(const Setting *row, const char *value, void *at, Error *e) {
        return add_bind(spec_of(row, at), CUSTOM_MOUNT_BIND, value, e);
}

int spec_parse_bind_ro(const Setting *row, const char *value, void *at, Error *e) {
        return add_bind(spec_of(row, at), CUSTOM_MOUNT_BIND_READ_ONLY, value, e);
}

int spec_parse_tmpfs(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_(custom_mount_done) CustomMount m = { .type = CUSTOM_MOUNT_TMPFS };
        _cleanup_strv_ char **parts = NULL;
        const Setting inner = {};
        int r = str_split_colon(value, &parts);

        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0 || strv_length(parts) < 1 || strv_length(parts) > 2)
                return error_set(e, EINVAL, "'%.200s' is not PATH[:OPTIONS]", value);

        r = setting_inner_path(&inner, parts[0], &m.target, e);
        if (r >= 0 && parts[1] && *parts[1])
                r = setting_string(&inner, parts[1], &m.options, e);
        if (r < 0)
                return r;
        return spec_add_mount(spec_of(row, at), &m) < 0 ? error_oom(e) : 0;
}

int spec_parse_unsupported(const Setting *row, const char *value, void *at, Error *e) {
        const char *const *accepted = row->data;

        for (size_t i = 0; accepted && accepted[i]; i++)
                if (streq(accepted[i], value))
                        return 0;
        if (accepted)
                return error_set(e, EOPNOTSUPP, "'%.80s' is not supported yet", value);
        return error_set(e, EOPNOTSUPP, "not supported yet");
}
