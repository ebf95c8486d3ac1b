/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps that the machine's own processes go through, from a mount namespace to its "/": the builder and
 * PID 1, which are one where the machine has the host's users, see run.h. */
#include "spawn/steps.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/handshake.h"
#include "base/path.h"
#include "spawn/bound-user.h"
#include "spawn/exchange.h"
#include "spawn/host-files.h"
#include "spawn/journal-forward.h"
#include "spawn/journal-link.h"
#include "spawn/mount.h"
#include "spawn/network.h"
#include "spawn/network-address.h"
#include "spawn/oci-hooks.h"
#include "spawn/oci-join.h"
#include "spawn/oci-kernel.h"
#include "spawn/oci-mount.h"
#include "spawn/oci-nodes.h"
#include "spawn/oci-payload.h"
#include "spawn/payload.h"
#include "spawn/root.h"

static int apply_isolation(Engine *g, Error *e) {
        return root_isolate(&g->run, e);
}

/* Here it shows in the machine's /sys, and is the host's to enter, whose users the machine may not have. */
static int apply_joined_network(Engine *g, Error *e) {
        return network_join(g->spec, &g->run, e);
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

static bool wants_user_namespace(const Spec *spec) {
        return spec_has_private_users(spec) && !spec->joined_users;
}

/* Whoever enters that can do nothing to the host any more, so it comes last. */
static bool wants_others_users(const Spec *spec) {
        return spec->joined_users;
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

static int apply_bound_homes(Engine *g, Error *e) {
        return bound_users_apply(g->spec, &g->run, e);
}

static int apply_exchange(Engine *g, Error *e) {
        return exchange_apply(&g->run, e);
}

static int apply_journal(Engine *g, Error *e) {
        return journal_link_apply(g->spec, &g->run, e);
}

static int apply_address_files(Engine *g, Error *e) {
        (void) e;
        network_address_tell(g->spec, &g->run);
        return 0;
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

static int apply_adoption(Engine *g, Error *e) {
        return root_adopt(&g->run, e);
}

static bool wants_cgroup_namespace(const Spec *spec) {
        return !spec->share_cgroup;
}

static int apply_cgroup_namespace(Engine *g, Error *e) {
        (void) g;
        return unshare(CLONE_NEWCGROUP) < 0
                       ? error_set(e, errno, "cannot make a control group namespace: %m")
                       : 0;
}

static bool wants_host_name(const Spec *spec) {
        return spec_is_machine(spec) ? !spec->share_uts : spec->hostname != NULL;
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
        if (g->spec->oci) {
                r = oci_nodes_console(g->spec, &g->run, e);
                if (r < 0)
                        return r;
        }
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
        return root_pivot(g->spec, &g->run, e);
}

/* Of containers */

static bool is_container(const Spec *spec) {
        return !spec_is_machine(spec);
}

static int apply_joined(Engine *g, Error *e) {
        return oci_join_enter(&g->run, e);
}

static int apply_priority(Engine *g, Error *e) {
        return oci_kernel_priority(g->spec->oci->process, g->run.leader, e);
}

static int apply_mount_maps(Engine *g, Error *e) {
        return oci_mount_map(&g->plan.mounts, &g->run, e);
}

static int apply_clocks(Engine *g, Error *e) {
        return oci_kernel_clocks(&g->spec->oci->linux_, e);
}

static int apply_domain(Engine *g, Error *e) {
        return oci_kernel_domain(g->spec->oci, e);
}

static int apply_directory(Engine *g, Error *e) {
        return oci_payload_make_directory(g->spec->oci->process, &g->run, e);
}

static int apply_sysctl(Engine *g, Error *e) {
        return oci_kernel_sysctl(g->spec->oci, e);
}

static int apply_last_mounts(Engine *g, Error *e) {
        return mount_apply(&g->plan.mounts, PHASE_ENTER, &g->plan.dev, &g->plan.run, &g->run, e);
}

static bool has_inner_hooks(const Spec *spec) {
        return spec->hooks && spec->hooks->create_container.n > 0;
}

static int apply_inner_hooks(Engine *g, Error *e) {
        return oci_hooks_apply_inside(g->spec->hooks, &g->run, e);
}

static const Step steps[] = {
        { "mount isolation", PHASE_BUILD, false, NULL, apply_isolation, NULL },
        { "network namespace", PHASE_BUILD, false, network_is_joined, apply_joined_network, NULL },
        { "namespaces of others", PHASE_BUILD, false, oci_joins, apply_joined, NULL },
        { "resources", PHASE_BUILD, false, NULL, apply_resources, NULL },
        { "user namespace", PHASE_BUILD, false, wants_user_namespace, engine_make_first_process,
          NULL },
        { "limits", PHASE_BUILD, false, wants_raised_limits, apply_raised_limits, NULL },
        { "priority", PHASE_BUILD, false, oci_kernel_wants_priority, apply_priority, NULL },
        { "maps of mounts", PHASE_BUILD, false, is_container, apply_mount_maps, NULL },
        { "API pins", PHASE_BUILD, false, spec_has_private_users, apply_pins, NULL },
        { "partitions under the root", PHASE_BUILD, false, step_wants_disk, apply_lower_partitions,
          NULL },
        { "layers", PHASE_BUILD, false, step_wants_stack, apply_stack_build, NULL },
        { "root mount", PHASE_BUILD, false, NULL, apply_root, NULL },
        { "partitions", PHASE_BUILD, false, step_wants_disk, apply_partitions, NULL },
        { "parts of the stack", PHASE_BUILD, false, step_wants_stack, apply_stack_parts, NULL },
        { "outer mounts", PHASE_BUILD, false, NULL, apply_outer_mounts, NULL },
        { "credentials", PHASE_BUILD, false, spec_has_credentials, apply_credentials, NULL },
        { "journal socket", PHASE_BUILD, false, journal_forward_wants, apply_receiver_socket,
          NULL },
        { "homes", PHASE_BUILD, false, spec_has_bound_users, apply_bound_homes, NULL },
        { "exchange", PHASE_BUILD, false, exchange_may_want, apply_exchange, NULL },
        { "devices", PHASE_BUILD, false, step_wants_devices, apply_devices, NULL },
        { "files of the host", PHASE_BUILD, false, host_files_wants, apply_host_files, NULL },
        { "files of the network", PHASE_BUILD, false, network_address_wants, apply_address_files,
          NULL },
        { "journal", PHASE_BUILD, false, journal_link_wants, apply_journal, NULL },

        { "user namespace of another", PHASE_BUILD, false, wants_others_users,
          engine_make_first_process, NULL },

        { "mount namespace", PHASE_INNER, false, spec_has_private_users, apply_adoption, NULL },
        { "control group namespace", PHASE_INNER, false, wants_cgroup_namespace,
          apply_cgroup_namespace, NULL },
        { "clocks", PHASE_INNER, false, oci_kernel_wants_clocks, apply_clocks, NULL },
        { "domain name", PHASE_INNER, false, oci_kernel_wants_domain, apply_domain, NULL },
        { "host name", PHASE_INNER, false, wants_host_name, apply_host_name, NULL },
        { "loopback", PHASE_INNER, false, spec_has_own_netns, apply_loopback, NULL },
        { "inner mounts", PHASE_INNER, false, NULL, apply_inner_mounts, NULL },
        { "working directory", PHASE_INNER, false, is_container, apply_directory, NULL },
        { "use of devices", PHASE_INNER, false, step_wants_devices, apply_device_check, NULL },
        { "terminal", PHASE_INNER, false, spec_has_terminal, apply_terminal, NULL },
        { "kernel log", PHASE_INNER, false, spec_is_machine, apply_kmsg, NULL },
        { "sysctl", PHASE_INNER, false, oci_kernel_wants_sysctl, apply_sysctl, NULL },

        { "hooks in the machine", PHASE_ENTER, false, has_inner_hooks, apply_inner_hooks, NULL },
        { "last mounts", PHASE_ENTER, false, is_container, apply_last_mounts, NULL },
        { "pivot", PHASE_ENTER, false, NULL, apply_pivot, NULL },
        { "incoming mounts", PHASE_ENTER, false, exchange_may_want, apply_incoming, NULL },
};

const StepList steps_machine = { steps, ELEMENTSOF(steps) };
