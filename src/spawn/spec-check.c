/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a Spec goes together. One small check per rule; each refuses and says which setting is to
 * blame and where it came from. Nothing is repaired here, and nothing is looked up on the disk. */
#include "spawn/spec-settings.h"

#include "base/path.h"
#include "spawn/plan.h"

typedef struct Check {
        const Spec *spec;
        const Settings *origins;
} Check;

#define FIELD(name) offsetof(SpecCommand, spec.name)

/* Refuses, with the place of the setting at @field before the sentence. */
static int refuse(const Check *c, size_t field, Error *e, const char *sentence) {
        const Assignment *a = c->origins ? settings_find(c->origins, field) : NULL;
        char place[512];

        if (!a)
                return error_set(e, EINVAL, "%s", sentence);
        return error_set(e, EINVAL, "%s: %s", settings_place(a, place, sizeof place), sentence);
}

static int check_image(const Check *c, Error *e) {
        const Spec *s = c->spec;

        if (s->mstack && (s->image || s->template_path))
                return refuse(c, FIELD(mstack), e, "a stack goes with no other kind of image");
        if (s->is_stack && s->pivot_new)
                return refuse(c, FIELD(pivot_new), e, "a stack says by itself what its root is");
        if (s->is_stack && s->ownership == OWNERSHIP_CHOWN)
                return refuse(c, FIELD(ownership), e,
                              "the owners of a stack's layers are mapped, not changed");
        if (s->template_path && s->ephemeral)
                return refuse(c, FIELD(template_path), e,
                              "a directory that is thrown away is not made of a template");

        if (s->directory && s->image)
                return refuse(c, FIELD(image), e,
                              "a machine has a directory or an image, not both");
        if (s->template_path && s->image)
                return refuse(c, FIELD(template_path), e, "a disk image is not made of a template");

        if (s->directory && streq(s->directory, "/") && !s->ephemeral &&
            s->volatile_mode != VOLATILE_YES && s->volatile_mode != VOLATILE_STATE)
                return refuse(c, FIELD(directory), e,
                              "the host's own root '/' can only be used with --ephemeral,"
                              " --volatile=yes or --volatile=state");
        return 0;
}

static int check_addresses(const Check *c, Error *e) {
        Error why = {};

        if (address_list_check(&c->spec->addresses, &why) < 0)
                return refuse(c, FIELD(addresses), e, why.text);
        return 0;
}

static int check_journal(const Check *c, Error *e) {
        const Spec *s = c->spec;

        if (s->ephemeral &&
            (s->link_journal == LINK_JOURNAL_HOST || s->link_journal == LINK_JOURNAL_GUEST))
                return refuse(c, FIELD(link_journal), e,
                              "an ephemeral machine leaves no journal behind");
        return 0;
}

/* What protects an image protects no directory; that must not be taken for protected. */
static int check_protection(const Check *c, Error *e) {
        static const size_t fields[] = { FIELD(image_policy), FIELD(root_hash),
                                         FIELD(root_hash_sig), FIELD(verity_data) };

        for (size_t i = 0; i < ELEMENTSOF(fields) && !c->spec->image; i++)
                if (c->origins && settings_find(c->origins, fields[i]))
                        return refuse(
                                c, fields[i], e,
                                "the machine is no disk image, and nothing else can be protected"
                                " like that");
        return 0;
}

static int check_execution(const Check *c, Error *e) {
        static const char *const kernels[] = { "/proc", "/sys", "/dev" };
        const Spec *s = c->spec;

        if (s->start == START_BOOT && s->user)
                return refuse(c, FIELD(user), e, "an init of the image runs as root only");
        if (s->start == START_BOOT && s->working_directory)
                return refuse(c, FIELD(working_directory), e,
                              "an init of the image starts in its root only");
        for (size_t i = 0; s->working_directory && i < ELEMENTSOF(kernels); i++)
                if (path_is_below(s->working_directory, kernels[i]))
                        return refuse(c, FIELD(working_directory), e,
                                      "the working directory must not be in /proc, /sys or /dev");
        return 0;
}

static int check_capabilities(const Check *c, Error *e) {
        const Spec *s = c->spec;

        if (s->selinux_context && s->apparmor_profile)
                return refuse(c, FIELD(apparmor_profile), e,
                              "a payload is labelled by one security module only");
        if (s->capabilities_ambient && s->start == START_BOOT)
                return refuse(c, FIELD(capabilities_ambient), e,
                              "an init of the image has no use for ambient capabilities");
        if (s->capabilities_ambient & ~plan_capabilities(s))
                return refuse(c, FIELD(capabilities_ambient), e,
                              "the machine itself does not have all of these capabilities");
        return 0;
}

static int check_namespaces(const Check *c, Error *e) {
        const Spec *s = c->spec;

        if (s->share_ipc && spec_has_private_users(s))
                return refuse(c, FIELD(share_ipc), e,
                              "users of its own have no rights to the host's message queues");
        if (s->share_uts && s->hostname)
                return refuse(c, FIELD(hostname), e,
                              "a machine with the host's name cannot be called otherwise");
        if (s->share_uts && s->register_mode == REGISTER_YES)
                return refuse(c, FIELD(register_mode), e,
                              "a machine with the host's name cannot be registered");
        return 0;
}

static int check_unit(const Check *c, Error *e) {
        const Spec *s = c->spec;

        if (s->keep_unit && s->properties)
                return refuse(c, FIELD(properties), e,
                              "with --keep-unit there is no scope that could have properties");
        if (s->keep_unit && s->slice)
                return refuse(c, FIELD(slice), e,
                              "with --keep-unit there is no scope that could be put in a slice");
        return 0;
}

static int check_users(const Check *c, Error *e) {
        const Spec *s = c->spec;

        if (s->ownership > OWNERSHIP_OFF && !spec_has_private_users(s))
                return refuse(c, FIELD(ownership), e,
                              "there is nothing to map to without --private-users=");
        if (s->bind_users && !spec_has_private_users(s))
                return refuse(c, FIELD(bind_users), e,
                              "users of the host need --private-users= to be others inside");
        if (s->bind_user_groups && !s->bind_users)
                return refuse(c, FIELD(bind_user_groups), e, "no user is named by --bind-user=");
        if (s->ownership == OWNERSHIP_CHOWN && s->read_only)
                return refuse(c, FIELD(ownership), e,
                              "the owners of a read-only image cannot be changed");
        if (s->ownership == OWNERSHIP_CHOWN && s->volatile_mode != VOLATILE_NO)
                return refuse(c, FIELD(ownership), e,
                              "the owners of a volatile machine's files are mapped, not changed");
        if (s->ownership == OWNERSHIP_CHOWN && s->ephemeral)
                return refuse(c, FIELD(ownership), e,
                              "the owners of an ephemeral machine's files are mapped, not changed");
        return 0;
}

/* The masks are laid over /proc from /run/host. */
static bool covers_masks(const char *target) {
        return streq(target, "/proc") || streq(target, "/run") || streq(target, "/run/host") ||
               path_is_below(target, "/run/host/inaccessible");
}

static int check_mounts(const Check *c, Error *e) {
        for (size_t i = 0; i < c->spec->n_mounts; i++) {
                const CustomMount *m = c->spec->mounts + i;
                bool stack = m->layers, kernels = path_is_below(m->target, "/proc") ||
                                                  path_is_below(m->target, "/sys");

                if (m->type == CUSTOM_MOUNT_INACCESSIBLE && streq(m->target, "/"))
                        return refuse(c, FIELD(mounts), e,
                                      "nothing is left of a machine without its root");
                if (covers_masks(m->target))
                        return refuse(c, FIELD(mounts), e,
                                      "no mount may cover /proc, /run or /run/host: what is hidden"
                                      " there, and by what is there, would come out");
                if (m->idmap != MOUNT_IDMAP_NO && kernels)
                        return refuse(c, FIELD(mounts), e,
                                      "a bind in /proc or /sys cannot map owners");
                if (stack && kernels)
                        return refuse(c, FIELD(mounts), e,
                                      "an overlay must not be in /proc or /sys");
                if (stack && m->source && *m->source == '+' && !spec_writes_image(c->spec))
                        return refuse(c, FIELD(mounts), e,
                                      "the upper layer of an overlay must not be in an image that"
                                      " is not written to");
        }
        return 0;
}

static int check_network(const Check *c, Error *e) {
        const NetworkSpec *n = &c->spec->network;
        const Assignment *mac = c->origins ? settings_find(c->origins, FIELD(network.mac)) : NULL;

        if (n->bridge && n->zone)
                return refuse(c, FIELD(network.zone), e,
                              "a machine's link is a port of one bridge, be it that of a zone");
        if (n->namespace_path && network_spec_has_links(n))
                return refuse(c, FIELD(network.namespace_path), e,
                              "only --private-network goes with a network that is there already");
        /* A variable may be there for all machines. */
        if (n->has_mac && !network_spec_has_veth(n) && !(mac && mac->origin.variable))
                return refuse(c, FIELD(network.mac), e,
                              "there is no link that it could be the address of");
        return 0;
}

static int check_ports(const Check *c, Error *e) {
        if (c->spec->ports.n > 0 && !spec_has_private_network(c->spec))
                return refuse(c, FIELD(ports), e,
                              "the machine has the host's network, where its ports are the host's;"
                              " give it one of its own, as with --network-veth");
        return 0;
}

int spec_check(const Spec *s, const Settings *origins, Error *e) {
        static int (*const checks[])(const Check *c, Error *e) = {
                check_image,      check_protection, check_execution, check_capabilities,
                check_namespaces, check_unit,       check_users,     check_mounts,
                check_journal,    check_network,    check_journal,   check_addresses,
                check_ports,
        };
        const Check c = { .spec = s, .origins = origins };

        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                int r = checks[i](&c, e);
                if (r < 0)
                        return r;
        }
        return 0;
}
