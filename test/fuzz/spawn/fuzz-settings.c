/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings files. The first byte says whether the file is trusted; whatever one says that is not, it gives
 * the payload nothing of the host. What passes the check can be planned. */
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
        assert_se(s->private_users == PRIVATE_USERS_NO && s->ownership == OWNERSHIP_AUTO);
        assert_se(s->n_mounts == 0 && s->capabilities_add == 0 && id128_is_null(&s->uuid));
        assert_se(!s->private_network && !s->veth && s->api_vfs == API_VFS_READ_ONLY);
        assert_se(!s->slice && !s->properties && !s->keep_unit && s->console == CONSOLE_AUTO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(settings_done) Settings s;
        _cleanup_(command_done) SpecCommand c = {};
        _cleanup_(mount_plan_done) MountPlan plan = {};
        size_t n_rows;
        const Setting *rows = spec_settings(&n_rows);
        Error e = {};

        settings_init(&s, rows, n_rows);
        if (size < 1 || size > 65536)
                return 0;

        bool trusted = data[0] == 'T';
        int r = settings_from_text(&s, "fuzz", (const char *) data + 1, size - 1, trusted, 1, &e);
        if (r >= 0) {
                spec_init(&c.spec);
                r = settings_apply(&s, &c, &e);
        }
        if (r < 0) {
                assert_se(e.code == r && e.text[0] && !strchr(e.text, '\n'));
                return 0;
        }

        if (!trusted)
                check_untrusted(&c.spec);
        if (spec_check(&c.spec, &s, &e) >= 0)
                (void) mount_plan(&c.spec, 0x20000, &plan, NULL);
        return 0;
}
