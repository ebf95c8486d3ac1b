/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps that the supervisor goes through before there is any process of the machine, see run.h. What they
 * do is in the rooms that they are named after. */
#include "spawn/steps.h"

#include <fcntl.h>

#include "spawn/capability.h"
#include "net/netns.h"
#include "spawn/bind-map.h"
#include "spawn/bound-user.h"
#include "spawn/cgroup-place.h"
#include "spawn/device-policy.h"
#include "spawn/exchange.h"
#include "spawn/join-target.h"
#include "spawn/journal-forward.h"
#include "spawn/keeper.h"
#include "spawn/label.h"
#include "spawn/mount.h"
#include "spawn/network.h"
#include "spawn/network-address.h"
#include "spawn/oci-devices.h"
#include "spawn/oci-join.h"
#include "spawn/oci-listener.h"
#include "spawn/oci-resources.h"
#include "spawn/owners.h"
#include "spawn/ports.h"
#include "spawn/register.h"
#include "spawn/root.h"
#include "spawn/root-view.h"
#include "spawn/runtime.h"
#include "spawn/scratch.h"
#include "spawn/template.h"
#include "spawn/userns.h"

/* Whether there is somebody who stays with the machine, holds its locks and hears it. */
static bool is_kept(const Spec *spec) {
        return !spec->stays;
}

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

static int apply_disk(Engine *g, Error *e) {
        return disk_open(g->spec, &g->disk, e);
}

static int apply_label_check(Engine *g, Error *e) {
        return label_check(g->spec, e);
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

/* Who joins the machine makes the usual filter anew. */
static bool wants_filter_note(const Spec *spec) {
        return spec->system_calls || spec->families.mode != FAMILIES_ALL ||
               spec->families_untrusted.mode != FAMILIES_ALL || spec->suppress_sync ||
               spec->no_seccomp || spec->oci;
}

static int apply_filter_note(Engine *g, Error *e) {
        return g->run.lock_fd < 0 ? 0 : join_note_filter(&g->plan.seccomp, &g->run, e);
}

static int apply_address_claim(Engine *g, Error *e) {
        return network_address_claim(g->spec, &g->plan.network, &g->run, e);
}

static void revert_address_claim(Engine *g) {
        network_address_revert(&g->run);
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

/* Of the document that the machine is made from; NULL = none. */
static const OciResources *resources_of(const Engine *g) {
        return g->spec->oci ? g->spec->oci->linux_.resources : NULL;
}

/* What the unit is told besides. A document's policy for devices is a program of ours, whatever makes the group. */
static int apply_scope(Engine *g, Error *e) {
        _cleanup_strv_ char **properties = NULL;
        const OciResources *resources = resources_of(g);
        int r = 0;

        if (resources)
                r = oci_resources_properties(resources, &properties, e);
        if (r >= 0 && g->spec->oci &&
            (strv_append(&properties, "DeviceAllow=") < 0 ||
             strv_append(&properties, "DevicePolicy=auto") < 0))
                return error_oom(e);
        if (!g->spec->oci && (device_properties(&g->plan.bound, &properties) < 0 ||
                              device_properties(&g->plan.devices, &properties) < 0))
                return error_oom(e);
        return r < 0 ? r : register_scope(g->spec, properties, &g->run, e);
}

static void revert_scope(Engine *g) {
        register_scope_release(&g->run);
}

static bool wants_cgroup(const Spec *spec) {
        return !spec->no_cgroup;
}

/* The group that others know the container by: of a scope that is not the one of the processes, which is below. */
static int apply_limits(Engine *g, Error *e) {
        _cleanup_fd_ int above = g->run.has_scope ? openat(g->run.cgroup_fd, "..",
                                                           O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                                  : -EBADF;

        if (g->run.has_scope && above < 0)
                return error_set(e, errno, "cannot open the control group of the scope: %m");
        return oci_resources_write(resources_of(g), above >= 0 ? above : g->run.cgroup_fd,
                                   &g->notes, e);
}

static int apply_cgroup(Engine *g, Error *e) {
        _cleanup_(buf_done) Buf missing = {};
        int r = cgroup_place_apply(g->spec, &g->run, &missing, e);

        if (g->spec->cgroup_optional && (r == -EACCES || r == -EPERM || r == -EROFS)) {
                cgroup_place_revert(&g->run);
                return buf_printf(&g->notes, "without a control group: %s\n", e->text) < 0
                               ? error_oom(e)
                               : 0;
        }
        if (r >= 0 && missing.n > 0)
                (void) buf_printf(&g->notes, "controllers that the machine cannot have: %s\n",
                                  missing.p);
        return r >= 0 && resources_of(g) && g->run.cgroup_fd >= 0 ? apply_limits(g, e) : r;
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

/* Root of a machine with users of its own can make no device; one with the host's could make any. A machine
 * that is a host for others is to have all that this one has. */
static bool wants_device_policy(const Spec *spec) {
        return step_wants_devices(spec) || spec->oci ||
               (!spec_has_private_users(spec) && spec->api_vfs != API_VFS_WRITABLE);
}

/* Who may not make one is in a machine, whose policy holds for what is below. */
static int apply_document_policy(Engine *g, Error *e) {
        _cleanup_(device_policy_done) DevicePolicy policy = {};
        int r = oci_devices_policy(g->spec->oci, &policy, e);

        if (r < 0 || g->run.cgroup_fd < 0)
                return r;
        r = device_policy_attach(&policy, g->run.cgroup_fd, e);
        return r == -EPERM && !userns_is_first() ? 0 : r;
}

/* A service manager has one of its own for a scope or unit. Where root may not make one, it is in a machine
 * itself, whose policy holds for what is below; whether that is enough for --device= is asked later. */
static int apply_device_policy(Engine *g, Error *e) {
        _cleanup_(device_policy_done) DevicePolicy policy = {};

        if (g->spec->oci)
                return apply_document_policy(g, e);
        if (g->run.has_scope || g->spec->keep_unit || g->run.cgroup_fd < 0)
                return 0;
        if (device_policy_make(&g->plan.dev, &g->plan.devices, &g->plan.bound, &policy) < 0)
                return error_oom(e);
        int r = device_policy_attach(&policy, g->run.cgroup_fd, e);
        return r == -EPERM && (!step_wants_devices(g->spec) || !userns_is_first()) ? 0 : r;
}

static int apply_listener(Engine *g, Error *e) {
        return oci_listener_prepare(&g->run, e);
}

static void revert_listener(Engine *g) {
        oci_listener_revert(&g->run);
}

static int apply_joined(Engine *g, Error *e) {
        return oci_join_open(g->spec->oci, &g->run, e);
}

static void revert_joined(Engine *g) {
        oci_join_close(&g->run);
}

static int apply_bound_users(Engine *g, Error *e) {
        return bound_users_read(g->spec, &g->run, e);
}

static int apply_namespace(Engine *g, Error *e) {
        g->run.netns_fd = netns_open(g->spec->network.namespace_path, e);
        return MIN(g->run.netns_fd, 0);
}

static int apply_ports(Engine *g, Error *e) {
        return ports_reserve(g->spec, &g->plan.network, &g->run, &g->notes, e);
}

static void revert_ports(Engine *g) {
        ports_release(g->spec, &g->run);
}

static const Step steps[] = {
        { "runtime file", PHASE_HOST, true, is_kept, apply_runtime, revert_runtime },
        { "template", PHASE_HOST, true, wants_template, apply_template, NULL },
        { "labels", PHASE_HOST, true, label_wants, apply_label_check, NULL },
        { "image lock", PHASE_HOST, true, spec_is_machine, apply_image_lock, revert_image_lock },
        { "disk image", PHASE_HOST, true, step_wants_disk, apply_disk, NULL },
        { "stack", PHASE_HOST, true, step_wants_stack, apply_stack, NULL },
        { "root directory", PHASE_HOST, false, NULL, apply_root_open, NULL },
        { "plan", PHASE_HOST, true, NULL, apply_plan, revert_plan },
        { "filter note", PHASE_HOST, true, wants_filter_note, apply_filter_note, NULL },
        { "owners of files", PHASE_HOST, true, spec_has_private_users, apply_owners, NULL },
        { "network addresses", PHASE_HOST, false, network_address_counts, apply_address_claim,
          revert_address_claim },
        { "ports", PHASE_HOST, true, ports_want, apply_ports, revert_ports },
        { "boot ID", PHASE_HOST, false, spec_is_machine, apply_boot_id, NULL },
        { "throw-away directories", PHASE_HOST, true, scratch_wants, apply_scratch,
          revert_scratch },
        { "upper layer in memory", PHASE_HOST, true, spec_upper_is_in_memory, apply_upper_in_memory,
          NULL },
        { "upper layer", PHASE_HOST, false, wants_kept_upper, apply_kept_upper, NULL },
        { "scope", PHASE_HOST, false, register_wants_scope, apply_scope, revert_scope },
        { "control group", PHASE_HOST, false, wants_cgroup, apply_cgroup, revert_cgroup },
        { "device policy", PHASE_HOST, false, wants_device_policy, apply_device_policy, NULL },
        { "keeper", PHASE_HOST, false, is_kept, apply_keeper, NULL },
        { "filter's listener", PHASE_HOST, false, oci_listener_wants, apply_listener,
          revert_listener },
        { "namespaces of others", PHASE_HOST, false, oci_joins, apply_joined, revert_joined },
        { "journal receiver", PHASE_HOST, false, journal_forward_wants, apply_receiver,
          revert_receiver },
        { "exchange folders", PHASE_HOST, false, exchange_wants, apply_exchange_folders,
          revert_exchange_folders },
        { "users of the host", PHASE_HOST, false, spec_has_bound_users, apply_bound_users, NULL },
        { "network namespace", PHASE_HOST, false, network_is_joined, apply_namespace, NULL },
        { "sources of mounts", PHASE_HOST, false, NULL, apply_sources, NULL },
};

const StepList steps_host = { steps, ELEMENTSOF(steps) };

int engine_plan(Engine *g, Error *e) {
        int r = g->spec->image ? apply_disk(g, e) : g->spec->is_stack ? apply_stack(g, e) : 0;

        if (r >= 0)
                r = apply_root_open(g, e);
        return r < 0 ? r : apply_plan(g, e);
}
