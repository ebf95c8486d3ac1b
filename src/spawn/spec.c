/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Spec as a value: its defaults and its memory. What may be in it is decided elsewhere: rows read
 * it, check refuses it. */
#include "spawn/spec.h"

#include "oci/config.h"

void spec_init(Spec *s) {
        *s = (Spec){
                .kill_signal = KILL_SIGNAL_UNSET,
                .oom_score_adjust = OOM_SCORE_ADJUST_UNSET,
                .personality = PERSONALITY_UNSET,
        };
        image_policy_spawn(&s->image_policy);
}

void custom_mount_done(CustomMount *m) {
        free(m->source);
        free(m->target);
        free(m->options);
        strv_free(m->layers);
        *m = (CustomMount){};
}

void spec_done(Spec *s) {
        free(s->attach);
        free(s->join);
        free(s->directory);
        strv_free(s->settings_files);
        free(s->mstack);
        free(s->template_path);
        free(s->image);
        free(s->oci_bundle);
        (void) oci_config_free(s->oci);
        free(s->pivot_new);
        free(s->pivot_old);
        free(s->root_hash_sig);
        free(s->verity_data);
        strv_free(s->argv);
        strv_free(s->environment);
        free(s->working_directory);
        network_spec_done(&s->network);
        free(s->user);
        strv_free(s->bind_users);
        free(s->bind_user_shell);
        strv_free(s->bind_user_groups);
        free(s->machine);
        free(s->hostname);
        free(s->slice);
        free(s->scope);
        free(s->cgroup);
        strv_free(s->properties);
        free(s->cpu_affinity);
        free(s->selinux_context);
        free(s->selinux_apifs_context);
        free(s->apparmor_profile);
        strv_free(s->unmask);
        free(s->container_service);
        free(s->system_calls);
        for (size_t i = 0; i < s->n_mounts; i++)
                custom_mount_done(s->mounts + i);
        free(s->mounts);
        free(s->forward_journal);
        port_list_done(&s->ports);
        free(s->background);
        credentials_done(&s->credentials);
        device_list_done(&s->devices);
        address_list_done(&s->addresses);
        spec_init(s);
}

int spec_add_mount(Spec *s, CustomMount *m) {
        CustomMount *p = reallocarray(s->mounts, s->n_mounts + 1, sizeof *p);

        if (!p) {
                custom_mount_done(m);
                return -ENOMEM;
        }
        s->mounts = p;
        s->mounts[s->n_mounts++] = *m;
        *m = (CustomMount){};
        return 0;
}

bool spec_has_root_mount(const Spec *s) {
        for (size_t i = 0; i < s->n_mounts; i++)
                if (streq(s->mounts[i].target, "/"))
                        return true;
        return false;
}
