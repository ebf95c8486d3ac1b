/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings files. The first byte says whether the file is trusted; whatever one says that is not, it gives
 * the payload nothing of the host. Behind a NUL comes another file, which is dropped in and not trusted.
 * What passes the check can be planned. */
#include <stddef.h>
#include <stdint.h>

#include "base/setting.h"
#include "spawn/mount-plan.h"
#include "spawn/spec-settings.h"

static void command_done(SpecCommand *c) {
        spec_done(&c->spec);
}

/* Nothing that reaches beyond the machine is other than by default. */
static void check_untrusted(const Spec *s) {
        assert_se(!s->ephemeral && !s->directory && !s->machine && !s->dry_run);
        assert_se(s->settings_mode == SETTINGS_YES && s->register_mode == REGISTER_AUTO);
        assert_se(s->private_users == PRIVATE_USERS_NO && s->ownership == OWNERSHIP_DEFAULT);
        assert_se(s->n_mounts == 0 && s->capabilities_add == 0 && id128_is_null(&s->uuid));
        assert_se(!s->network.private && !s->network.veth && s->api_vfs == API_VFS_READ_ONLY);
        assert_se(!s->slice && !s->properties && !s->keep_unit && s->console == CONSOLE_AUTO);
}

static int secret(const void *userdata, char **ret, Error *e) {
        return (*ret = strdup("of-the-host")) ? 0 : error_oom(e);
}

static int open_name(const void *userdata, char **ret, Error *e) {
        return (*ret = strdup("m")) ? 0 : error_oom(e);
}

static const Specifier specifiers[] = { { 'i', false, open_name }, { 'm', true, secret } };
static const SpecifierTable table = { specifiers, ELEMENTSOF(specifiers), NULL };

/* Nothing that an untrusted file says tells of the host, or takes back what the trusted one said. */
static void check_drop_in(const Settings *s, const Spec *alone, const Spec *both) {
        for (size_t i = 0; i < s->n; i++)
                assert_se(s->list[i].origin.trusted || !strstr(s->list[i].value, "of-the-host"));
        assert_se((alone->capabilities_drop & ~both->capabilities_drop) == 0);
        assert_se(alone->capabilities_add == both->capabilities_add);
        assert_se(alone->n_mounts == both->n_mounts && alone->ephemeral == both->ephemeral);
        assert_se(strv_length(alone->environment) <= strv_length(both->environment));
        assert_se(!alone->no_new_privileges || both->no_new_privileges);
}

static int read_one(Settings *s, const char *name, const uint8_t *data, size_t n, bool trusted,
                    SpecCommand *c, Error *e) {
        int r = settings_from_text(s, name, (const char *) data, n, trusted, trusted ? 2 : 1, e);

        if (r < 0)
                return r;
        spec_done(&c->spec);
        spec_init(&c->spec);
        return settings_apply(s, c, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(settings_done) Settings s;
        _cleanup_(command_done) SpecCommand c = {}, with = {};
        _cleanup_(mount_plan_done) MountPlan plan = {};
        size_t n_rows;
        const Setting *rows = spec_settings(&n_rows);
        Error e = {};

        settings_init(&s, rows, n_rows);
        /* Only what was looked up may say so. */
        if (size < 1 || size > 65536 || !data || memmem(data, size, "of-the-host", 11))
                return 0;

        bool trusted = data[0] == 'T';
        const uint8_t *nul = memchr(data, '\0', size);
        size_t n = nul ? (size_t) (nul - data) : size;
        s.specifiers = &table;
        int r = read_one(&s, "fuzz", data + 1, n - (n > 0), trusted, &c, &e);
        if (r >= 0 && nul && trusted) {
                r = read_one(&s, "fuzz.conf", nul + 1, size - n - 1, false, &with, &e);
                if (r >= 0)
                        check_drop_in(&s, &c.spec, &with.spec);
        }
        if (r < 0) {
                assert_se(e.code == r && e.text[0] && !strchr(e.text, '\n'));
                return 0;
        }

        if (!trusted)
                check_untrusted(&c.spec);
        if (spec_check(&c.spec, &s, &e) >= 0) {
                IdRanges ids = id_ranges_one(0, 0x20000, 65536);
                (void) mount_plan(&c.spec, &ids, &plan, NULL);
        }
        return 0;
}
