/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of steps that make a machine, in order. Each says which process goes through it, see run.h;
 * what it does is in the room that it is named after. */
#include "spawn/steps.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/handshake.h"
#include "base/path.h"
#include "spawn/capability.h"
#include "spawn/bind-map.h"
#include "spawn/bound-user.h"
#include "spawn/cgroup-place.h"
#include "spawn/device-policy.h"
#include "spawn/exchange.h"
#include "spawn/host-files.h"
#include "spawn/journal-forward.h"
#include "spawn/journal-link.h"
#include "spawn/keeper.h"
#include "spawn/label.h"
#include "spawn/mount.h"
#include "spawn/network.h"
#include "spawn/oci-hooks.h"
#include "spawn/owners.h"
#include "spawn/payload.h"
#include "spawn/register.h"
#include "spawn/root.h"
#include "spawn/root-view.h"
#include "spawn/runtime.h"
#include "spawn/scratch.h"
#include "spawn/template.h"
#include "spawn/userns.h"

typedef struct Step {
        const char *name;
        Phase phase;
        bool once; /* stays as it is when the payload reboots */
        bool (*wanted)(const Spec *spec);
        int (*apply)(Engine *g, Error *e);
        void (*revert)(Engine *g);
} Step;

/* PHASE_HOST */

static int apply_runtime(Engine *g, Error *e) {
        return runtime_apply(g->spec, &g->run, e);
}

static void revert_runtime(Engine *g) {
        runtime_revert(g->spec, &g->run);
}

static int apply_image_lock(Engine *g, Error *e) {
        int r = image_lock(spec_place(g->spec), spec_writes_image(g->spec), &g->image_lock, e);

        if (r == IMAGE_LOCK_BUSY)
                return error_set(e, EBUSY, "'%s' is in use by somebody else", spec_place(g->spec));
        return r;
}

static void revert_image_lock(Engine *g) {
        g->image_lock = image_lock_free(g->image_lock);
}

static bool wants_template(const Spec *spec) {
        return spec->template_path;
}

static int apply_template(Engine *g, Error *e) {
        int r = template_apply(g->spec, &g->run, e);

        if (r == TEMPLATE_UNUSED)
                (void) buf_printf(&g->notes, "'%s' exists already, the template is not used\n",
                                  g->spec->directory);
        return MIN(r, 0);
}

static bool wants_disk(const Spec *spec) {
        return spec->image;
}

static int apply_disk(Engine *g, Error *e) {
        return disk_open(g->spec, &g->disk, e);
}

static int apply_label_check(Engine *g, Error *e) {
        return label_check(g->spec, e);
}

static bool wants_stack(const Spec *spec) {
        return spec->is_stack;
}

static int apply_stack(Engine *g, Error *e) {
        return stack_open(g->spec, &g->stack, e);
}

static int apply_root_open(Engine *g, Error *e) {
        int r;

        if (g->spec->is_stack) {
                r = stack_mount_all(g->spec, &g->stack, &g->run, &g->notes, e);
                return r < 0 ? r : root_use_image(g->spec, &g->run, -EBADF, e);
        }
        if (!g->spec->image)
                return root_open(g->spec, &g->run, e);
        r = disk_mount_all(g->spec, &g->disk, &g->run, &g->notes, e);
        return r < 0 ? r : root_use_image(g->spec, &g->run, disk_usr(&g->disk), e);
}

/* What was asked for by name and nobody here can give. */
static int note_missing_capabilities(Engine *g) {
        uint64_t wanted = g->spec->capabilities_add & ~g->spec->capabilities_drop;
        uint64_t missing = g->spec->capabilities_add == UINT64_MAX ? 0 : capability_missing(wanted);
        int r = 0;

        if (missing == 0)
                return 0;
        r = buf_puts(&g->notes,
                     "capabilities that we do not have ourselves, nor will the machine:");
        if (r >= 0)
                r = capability_mask_format(missing, &g->notes);
        return r < 0 ? r : buf_puts(&g->notes, "\n");
}

/* Devices that are bound into the machine are ones that it may use; with users of its own, whom they belong
 * to outside is nobody inside. */
static int find_bound_devices(Engine *g) {
        DeviceNodes *bound = &g->plan.bound;
        int r = 0;

        for (size_t i = 0; i < g->spec->n_mounts && r >= 0; i++) {
                const CustomMount *m = g->spec->mounts + i;
                bool binds = m->type == CUSTOM_MOUNT_BIND || m->type == CUSTOM_MOUNT_BIND_READ_ONLY;
                if (binds && m->source && *m->source == '/')
                        r = device_add_bound(bound, m->source,
                                             m->type == CUSTOM_MOUNT_BIND_READ_ONLY
                                                     ? DEVICE_READ
                                                     : DEVICE_READ | DEVICE_WRITE);
        }
        for (size_t i = 0; i < bound->n && r >= 0 && spec_has_private_users(g->spec); i++)
                r = buf_printf(&g->notes,
                               "'%s' keeps its owner, who is nobody in the machine: --device= makes"
                               " a node that is the machine's\n",
                               bound->v[i].source);
        return r;
}

static int apply_plan(Engine *g, Error *e) {
        _cleanup_(facts_done) Facts facts = {};
        IdPlan ids;
        int r = id_plan_apply(g->spec, &g->run, &ids, e);

        if (r >= 0)
                r = facts_read(g->spec, &g->run, &facts, e);
        if (r >= 0)
                r = plan_make(g->spec, &facts, &ids, &g->plan, e);
        if (r >= 0)
                r = device_find(&g->spec->devices, g->run.root_fd, &g->plan.devices, e);
        if (r >= 0 && find_bound_devices(g) < 0)
                r = error_oom(e);
        if (r >= 0 && note_missing_capabilities(g) < 0)
                r = error_oom(e);
        g->run.uuid = facts.uuid;
        return r;
}

static void revert_plan(Engine *g) {
        id_plan_release(&g->run);
}

static int apply_owners(Engine *g, Error *e) {
        const IdPlan *ids = &g->plan.ids;
        int r = ids->chown ? owners_change(g->run.root_fd, ids->base, e) : 0;

        if (r >= 0 && ids->chown && g->spec->image)
                r = disk_change_owners(&g->disk, ids->base, e);
        if (r < 0)
                return error_wrap(e, r, "'%s'", spec_place(g->spec));
        if (ids->idmapped && ids->from == 0 && g->spec->directory && spec_writes_image(g->spec) &&
            bind_map_note_path(g->spec->directory, &g->notes) < 0)
                return error_oom(e);
        return 0;
}

/* Every start of a payload is a boot of its own to whoever reads its journal. */
static int apply_boot_id(Engine *g, Error *e) {
        Id128 id;
        int r = id128_random(&id);

        if (r < 0)
                return error_set(e, r, "no random numbers: %m");
        run_plan_renew(&g->plan.run, &id);
        return 0;
}

static int apply_scratch(Engine *g, Error *e) {
        return scratch_apply(g->spec, &g->plan.mounts, &g->run, e);
}

static void revert_scratch(Engine *g) {
        scratch_revert(&g->run);
}

static int apply_upper_in_memory(Engine *g, Error *e) {
        return root_view_prepare(&g->run, e);
}

static bool wants_kept_upper(const Spec *spec) {
        return spec_upper_is_in_memory(spec) || spec_upper_is_on_disk(spec);
}

static int apply_kept_upper(Engine *g, Error *e) {
        return root_view_open_upper(&g->run, e);
}

static int apply_scope(Engine *g, Error *e) {
        _cleanup_strv_ char **devices = NULL;

        if (device_properties(&g->plan.bound, &devices) < 0 ||
            device_properties(&g->plan.devices, &devices) < 0)
                return error_oom(e);
        return register_scope(g->spec, devices, &g->run, e);
}

static void revert_scope(Engine *g) {
        register_scope_release(&g->run);
}

static int apply_cgroup(Engine *g, Error *e) {
        _cleanup_(buf_done) Buf missing = {};
        int r = cgroup_place_apply(g->spec, &g->run, &missing, e);

        if (r >= 0 && missing.n > 0)
                (void) buf_printf(&g->notes, "controllers that the machine cannot have: %s\n",
                                  missing.p);
        return r;
}

static void revert_cgroup(Engine *g) {
        cgroup_place_revert(&g->run);
}

static int apply_keeper(Engine *g, Error *e) {
        return keeper_prepare(g->spec, &g->run, e);
}

static int apply_sources(Engine *g, Error *e) {
        if (bind_map_note(&g->plan.mounts, &g->run, &g->notes) < 0)
                return error_oom(e);
        return mount_open_sources(&g->plan.mounts, &g->run, e);
}

static int apply_exchange_folders(Engine *g, Error *e) {
        return exchange_prepare(g->spec, g->plan.ids.base, &g->run, e);
}

static void revert_exchange_folders(Engine *g) {
        exchange_revert(g->spec, &g->run);
}

static int apply_receiver(Engine *g, Error *e) {
        return journal_forward_prepare(g->spec, &g->run, e);
}

static void revert_receiver(Engine *g) {
        journal_forward_revert(&g->run);
}

static bool wants_devices(const Spec *spec) {
        return spec->devices.n > 0;
}

/* Root of a machine with users of its own can make no device; one with the host's could make any. A machine
 * that is a host for others is to have all that this one has. */
static bool wants_device_policy(const Spec *spec) {
        return wants_devices(spec) ||
               (!spec_has_private_users(spec) && spec->api_vfs != API_VFS_WRITABLE);
}

/* A service manager has one of its own for a scope or unit. Where root may not make one, it is in a machine
 * itself, whose policy holds for what is below; whether that is enough for --device= is asked later. */
static int apply_device_policy(Engine *g, Error *e) {
        _cleanup_(device_policy_done) DevicePolicy policy = {};

        if (g->run.has_scope || g->spec->keep_unit || g->run.cgroup_fd < 0)
                return 0;
        if (device_policy_make(&g->plan.dev, &g->plan.devices, &g->plan.bound, &policy) < 0)
                return error_oom(e);
        int r = device_policy_attach(&policy, g->run.cgroup_fd, e);
        return r == -EPERM && (!wants_devices(g->spec) || !userns_is_first()) ? 0 : r;
}

/* PHASE_BUILD */

static int apply_isolation(Engine *g, Error *e) {
        return root_isolate(&g->run, e);
}

static int apply_pins(Engine *g, Error *e) {
        return root_pin_api(&g->run, e);
}

static int apply_root(Engine *g, Error *e) {
        return root_attach(g->spec, &g->plan.ids, &g->run, e);
}

static int apply_stack_build(Engine *g, Error *e) {
        return stack_build(g->spec, &g->plan.ids, &g->stack, &g->run, e);
}

static int apply_stack_parts(Engine *g, Error *e) {
        return stack_attach(g->spec, &g->plan.ids, &g->stack, &g->run, e);
}

static int apply_lower_partitions(Engine *g, Error *e) {
        return disk_attach_lower(g->spec, &g->disk, &g->run, e);
}

static int apply_partitions(Engine *g, Error *e) {
        return disk_attach(g->spec, &g->plan.ids, &g->disk, &g->run, e);
}

static int apply_outer_mounts(Engine *g, Error *e) {
        return mount_apply(&g->plan.mounts, PHASE_BUILD, &g->plan.dev, &g->plan.run, &g->run, e);
}

/* What PID 1 inherits, and may no longer change once it has users of its own. */
static int apply_resources(Engine *g, Error *e) {
        return resource_apply(g->spec, g->plan.personality, e);
}

static bool wants_raised_limits(const Spec *spec) {
        return spec_has_private_users(spec) && limit_is_any_given(spec->limits);
}

static int apply_raised_limits(Engine *g, Error *e) {
        return limit_raise(g->run.leader, g->spec->limits, e);
}

static int apply_credentials(Engine *g, Error *e) {
        const Spec *s = g->spec;
        bool for_all = s->start == START_COMMAND && s->no_new_privileges && s->user &&
                       !streq(s->user, "root") && !streq(s->user, "0");

        return credentials_apply(&s->credentials, for_all, g->run.root_fd, g->run.uid_base, e);
}

static int apply_receiver_socket(Engine *g, Error *e) {
        return journal_forward_apply(&g->run, e);
}

static int apply_bound_users(Engine *g, Error *e) {
        return bound_users_read(g->spec, &g->run, e);
}

static int apply_bound_homes(Engine *g, Error *e) {
        return bound_users_apply(g->spec, &g->run, e);
}

static int apply_exchange(Engine *g, Error *e) {
        return exchange_apply(&g->run, e);
}

static int apply_journal(Engine *g, Error *e) {
        return journal_link_apply(g->spec, &g->run, e);
}

static int apply_host_files(Engine *g, Error *e) {
        (void) e;
        host_files_apply(g->spec, &g->run);
        return 0;
}

static int open_dev(const Engine *g, Error *e) {
        int fd = path_open_beneath(g->run.root_fd, "dev", O_RDONLY | O_DIRECTORY, 0);

        return fd < 0 ? error_set(e, fd, "cannot open the machine's /dev: %m") : fd;
}

static int apply_devices(Engine *g, Error *e) {
        _cleanup_fd_ int fd = open_dev(g, e);

        return fd < 0 ? fd : device_apply(&g->plan.devices, fd, &g->run.ids, e);
}

/* PHASE_INNER and PHASE_ENTER */

static int apply_adoption(Engine *g, Error *e) {
        return root_adopt(&g->run, e);
}

static int apply_cgroup_namespace(Engine *g, Error *e) {
        (void) g;
        return unshare(CLONE_NEWCGROUP) < 0
                       ? error_set(e, errno, "cannot make a control group namespace: %m")
                       : 0;
}

static bool wants_host_name(const Spec *spec) {
        return !spec->share_uts;
}

static int apply_host_name(Engine *g, Error *e) {
        const char *name = g->spec->hostname ? g->spec->hostname : g->spec->machine;

        return sethostname(name, strlen(name)) < 0
                       ? error_set(e, errno, "cannot set the host name '%s': %m", name)
                       : 0;
}

static int apply_loopback(Engine *g, Error *e) {
        (void) g;
        return network_loopback_up(e);
}

static int apply_inner_mounts(Engine *g, Error *e) {
        return mount_apply(&g->plan.mounts, PHASE_INNER, &g->plan.dev, &g->plan.run, &g->run, e);
}

/* As the machine's root in the machine's control group, where the policy holds. */
static int apply_device_check(Engine *g, Error *e) {
        _cleanup_fd_ int fd = open_dev(g, e);
        _cleanup_free_ char *unit = NULL, *rest = NULL;

        if (fd < 0)
                return fd;
        if (g->spec->keep_unit && g->run.cgroup)
                (void) cgroup_unit_of_path(g->run.cgroup, &unit, &rest);
        return device_check(&g->plan.devices, fd, unit, e);
}

static int apply_terminal(Engine *g, Error *e) {
        int r = payload_terminal(g->spec, &g->run, e);

        if (r < 0)
                return r;
        r = handshake_send_fd(g->run.handshake_fd, RUN_FD_CONSOLE, g->run.console_fd);
        return r < 0 ? error_set(e, r, "cannot hand out the terminal: %m") : 0;
}

/* Somebody must hold the FIFO open, or whoever reads /proc/kmsg would spin on its end. */
static int apply_kmsg(Engine *g, Error *e) {
        int fd = path_open_beneath(g->run.root_fd, "run/host/proc-kmsg",
                                   O_RDWR | O_NONBLOCK | O_NOCTTY, 0);
        int r = fd;

        if (r >= 0)
                r = handshake_send_fd(g->run.handshake_fd, RUN_FD_KMSG, fd);
        return r < 0 ? error_set(e, r, "cannot open the FIFO for /proc/kmsg: %m") : 0;
}

static int apply_incoming(Engine *g, Error *e) {
        return exchange_settle(&g->run, e);
}

static int apply_pivot(Engine *g, Error *e) {
        return root_pivot(&g->run, e);
}

/* PHASE_HOOKS and PHASE_ENTER, of hooks */

static bool has_hooks(const Spec *spec) {
        return spec->hooks && (spec->hooks->prestart.n > 0 || spec->hooks->create_runtime.n > 0 ||
                               oci_hooks_are_inside(spec->hooks));
}

static int apply_hooks(Engine *g, Error *e) {
        return oci_hooks_apply(g->spec->hooks, &g->run, e);
}

static bool has_inner_hooks(const Spec *spec) {
        return spec->hooks && spec->hooks->create_container.n > 0;
}

static int apply_inner_hooks(Engine *g, Error *e) {
        return oci_hooks_apply_inside(g->spec->hooks, &g->run, e);
}

/* PHASE_ATTACH */

static int apply_exchange_link(Engine *g, Error *e) {
        (void) e;
        exchange_link(g->spec, &g->run);
        return 0;
}

static int apply_receiver_start(Engine *g, Error *e) {
        return journal_forward_start(g->spec, &g->run, e);
}

static int apply_network(Engine *g, Error *e) {
        return network_apply(&g->plan.network, &g->run, e);
}

static void revert_network(Engine *g) {
        network_revert(&g->run);
}

static int apply_handover(Engine *g, Error *e) {
        (void) e;
        register_scope_release(&g->run);
        return 0;
}

static int apply_registration(Engine *g, Error *e) {
        int r = register_apply(g->spec, &g->run, e);

        if (r == REGISTER_WITHOUT)
                (void) buf_printf(&g->notes, "the machine is not registered: %s\n", e->text);
        return MIN(r, 0);
}

static void revert_registration(Engine *g) {
        register_revert(g->spec, &g->run);
}

static const Step steps[] = {
        { "runtime file", PHASE_HOST, true, NULL, apply_runtime, revert_runtime },
        { "template", PHASE_HOST, true, wants_template, apply_template, NULL },
        { "labels", PHASE_HOST, true, label_wants, apply_label_check, NULL },
        { "image lock", PHASE_HOST, true, NULL, apply_image_lock, revert_image_lock },
        { "disk image", PHASE_HOST, true, wants_disk, apply_disk, NULL },
        { "stack", PHASE_HOST, true, wants_stack, apply_stack, NULL },
        { "root directory", PHASE_HOST, false, NULL, apply_root_open, NULL },
        { "plan", PHASE_HOST, true, NULL, apply_plan, revert_plan },
        { "owners of files", PHASE_HOST, true, spec_has_private_users, apply_owners, NULL },
        { "boot ID", PHASE_HOST, false, NULL, apply_boot_id, NULL },
        { "throw-away directories", PHASE_HOST, true, scratch_wants, apply_scratch,
          revert_scratch },
        { "upper layer in memory", PHASE_HOST, true, spec_upper_is_in_memory, apply_upper_in_memory,
          NULL },
        { "upper layer", PHASE_HOST, false, wants_kept_upper, apply_kept_upper, NULL },
        { "scope", PHASE_HOST, false, register_wants_scope, apply_scope, revert_scope },
        { "control group", PHASE_HOST, false, NULL, apply_cgroup, revert_cgroup },
        { "device policy", PHASE_HOST, false, wants_device_policy, apply_device_policy, NULL },
        { "keeper", PHASE_HOST, false, NULL, apply_keeper, NULL },
        { "journal receiver", PHASE_HOST, false, journal_forward_wants, apply_receiver,
          revert_receiver },
        { "exchange folders", PHASE_HOST, false, exchange_wants, apply_exchange_folders,
          revert_exchange_folders },
        { "users of the host", PHASE_HOST, false, spec_has_bound_users, apply_bound_users, NULL },
        { "sources of mounts", PHASE_HOST, false, NULL, apply_sources, NULL },

        { "mount isolation", PHASE_BUILD, false, NULL, apply_isolation, NULL },
        { "resources", PHASE_BUILD, false, NULL, apply_resources, NULL },
        { "user namespace", PHASE_BUILD, false, spec_has_private_users, engine_make_first_process,
          NULL },
        { "limits", PHASE_BUILD, false, wants_raised_limits, apply_raised_limits, NULL },
        { "API pins", PHASE_BUILD, false, spec_has_private_users, apply_pins, NULL },
        { "partitions under the root", PHASE_BUILD, false, wants_disk, apply_lower_partitions,
          NULL },
        { "layers", PHASE_BUILD, false, wants_stack, apply_stack_build, NULL },
        { "root mount", PHASE_BUILD, false, NULL, apply_root, NULL },
        { "partitions", PHASE_BUILD, false, wants_disk, apply_partitions, NULL },
        { "parts of the stack", PHASE_BUILD, false, wants_stack, apply_stack_parts, NULL },
        { "outer mounts", PHASE_BUILD, false, NULL, apply_outer_mounts, NULL },
        { "credentials", PHASE_BUILD, false, spec_has_credentials, apply_credentials, NULL },
        { "journal socket", PHASE_BUILD, false, journal_forward_wants, apply_receiver_socket,
          NULL },
        { "homes", PHASE_BUILD, false, spec_has_bound_users, apply_bound_homes, NULL },
        { "exchange", PHASE_BUILD, false, exchange_may_want, apply_exchange, NULL },
        { "devices", PHASE_BUILD, false, wants_devices, apply_devices, NULL },
        { "files of the host", PHASE_BUILD, false, host_files_wants, apply_host_files, NULL },
        { "journal", PHASE_BUILD, false, journal_link_wants, apply_journal, NULL },

        { "mount namespace", PHASE_INNER, false, spec_has_private_users, apply_adoption, NULL },
        { "control group namespace", PHASE_INNER, false, NULL, apply_cgroup_namespace, NULL },
        { "host name", PHASE_INNER, false, wants_host_name, apply_host_name, NULL },
        { "loopback", PHASE_INNER, false, spec_has_private_network, apply_loopback, NULL },
        { "inner mounts", PHASE_INNER, false, NULL, apply_inner_mounts, NULL },
        { "use of devices", PHASE_INNER, false, wants_devices, apply_device_check, NULL },
        { "terminal", PHASE_INNER, false, spec_has_terminal, apply_terminal, NULL },
        { "kernel log", PHASE_INNER, false, NULL, apply_kmsg, NULL },

        { "hooks", PHASE_HOOKS, false, has_hooks, apply_hooks, NULL },

        { "hooks in the machine", PHASE_ENTER, false, has_inner_hooks, apply_inner_hooks, NULL },
        { "pivot", PHASE_ENTER, false, NULL, apply_pivot, NULL },
        { "incoming mounts", PHASE_ENTER, false, exchange_may_want, apply_incoming, NULL },

        { "exchange link", PHASE_ATTACH, false, exchange_wants, apply_exchange_link, NULL },
        { "start of the journal receiver", PHASE_ATTACH, false, journal_forward_wants,
          apply_receiver_start, NULL },
        { "network", PHASE_ATTACH, false, network_wants, apply_network, revert_network },
        { "scope handover", PHASE_ATTACH, false, register_wants_scope, apply_handover, NULL },
        { "registration", PHASE_ATTACH, false, register_wants, apply_registration,
          revert_registration },
};

int engine_plan(Engine *g, Error *e) {
        int r = g->spec->image ? apply_disk(g, e) : g->spec->is_stack ? apply_stack(g, e) : 0;

        if (r >= 0)
                r = apply_root_open(g, e);
        return r < 0 ? r : apply_plan(g, e);
}

static bool step_is_wanted(const Step *t, const Engine *g, Phase phase) {
        return t->phase == phase && !(t->once && g->prepared) && (!t->wanted || t->wanted(g->spec));
}

int steps_apply(Engine *g, Phase phase, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                if (!step_is_wanted(steps + i, g, phase))
                        continue;
                int r = steps[i].apply(g, e);
                if (r < 0)
                        return error_wrap(e, r, "%s", steps[i].name);
        }
        return 0;
}

bool steps_want(const Engine *g, Phase phase) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (step_is_wanted(steps + i, g, phase))
                        return true;
        return false;
}

void steps_revert(Engine *g, bool once_too) {
        for (size_t i = ELEMENTSOF(steps); i > 0; i--)
                if (steps[i - 1].revert && (once_too || !steps[i - 1].once))
                        steps[i - 1].revert(g);
}
