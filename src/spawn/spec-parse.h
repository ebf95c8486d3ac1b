/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the spawner's settings: readers for rows whose fields are fields of a Spec. */
#pragma once

#include "base/setting.h"
#include "spawn/spec.h"

/** spec_of() - the Spec that a field of a row is in, for settings that are more than one field */
static inline Spec *spec_of(const Setting *row, void *at) {
        return (Spec *) ((char *) at - row->at);
}

/* bool: sets spec->start; "no" undoes only what the same row set */
int spec_parse_boot(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_as_pid2(const Setting *row, const char *value, void *at, Error *e);

/* names and identity */
int spec_parse_hostname(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_uuid(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_slice(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_property(const Setting *row, const char *value, void *at, Error *e);

/* environment: one NAME or NAME=VALUE as typed; quoted list of NAME=VALUE in a file */
int spec_parse_setenv(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_environment(const Setting *row, const char *value, void *at, Error *e);

/* enums */
int spec_parse_settings_mode(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_dump(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_register(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_console(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_api_vfs(const Setting *row, const char *value, void *at, Error *e);

/* the network (spec-parse-network.c); NetworkPairs, of which those of a veth pair are new names on the host;
 * char *: NULL = none; spec->network.mac */
int spec_parse_network_links(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_network_extra(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_network_bridge(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_network_zone(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_network_mac(const Setting *row, const char *value, void *at, Error *e);

/* users and their IDs (spec-parse-users.c); --user is an old word for --uid; at is spec->private_users */
int spec_parse_image_policy(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_root_hash(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_signature(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_user(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_old_user(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_private_users(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_ownership(const Setting *row, const char *value, void *at, Error *e);
/* bool: yes is "chown", no is "off" */
int spec_parse_ownership_chown(const Setting *row, const char *value, void *at, Error *e);
/* char **: names of users, or of groups; an empty value empties the list */
int spec_parse_bind_user(const Setting *row, const char *value, void *at, Error *e);
/* char *: a bool or a path */
int spec_parse_bind_user_shell(const Setting *row, const char *value, void *at, Error *e);
/* a number, of which only 0 is possible */
int spec_parse_delegate(const Setting *row, const char *value, void *at, Error *e);

/* what joins a machine with the host (spec-parse-host.c) */
int spec_parse_resolv_conf(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_network_address(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_timezone(const Setting *row, const char *value, void *at, Error *e);
/* char *: numbers of a colour; empty = none */
int spec_parse_background(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_link_journal(const Setting *row, const char *value, void *at, Error *e);

/* uint64_t mask of capabilities, adding up */
int spec_parse_capabilities(const Setting *row, const char *value, void *at, Error *e);
/* the same without "all" */
int spec_parse_ambient(const Setting *row, const char *value, void *at, Error *e);

/* system calls: SeccompList *, spec->families; bool that is false for "yes" */
int spec_parse_system_calls(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_families(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_bool_not(const Setting *row, const char *value, void *at, Error *e);

/* char **: what is over /proc; bool of spec->share_*: NAME… */
int spec_parse_unmask(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_share(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_container_service(const Setting *row, const char *value, void *at, Error *e);

/* mounts: at is spec->mounts */
int spec_parse_bind(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_bind_ro(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_tmpfs(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_overlay(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_overlay_ro(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_ephemeral(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_volatile(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_pivot_root(const Setting *row, const char *value, void *at, Error *e);
int spec_parse_inaccessible(const Setting *row, const char *value, void *at, Error *e);

/** spec_parse_word_or_bool() - a word out of a NULL-terminated table, else a boolean that stands for one of
 * two of its places. Return: 0 or -EINVAL. */
int spec_parse_word_or_bool(const char *const *words, int no, int yes, const char *value, int *ret,
                            Error *e);
/** spec_restate_paths() - see settings_restate(): say what was split at its colons with absolute paths
 * @n_paths: so many of the parts, from the first, are such as spec_parse_source() takes
 * Return: 0; -EINVAL; -ENOMEM. */
int spec_restate_paths(char *const *parts, size_t n_paths, Error *e);
/** spec_parse_source() - a path on the host, made absolute; "+/x", of the image, and "" stay as they are
 * Return: 0; -EINVAL; -ENOMEM. */
int spec_parse_source(const char *value, char **ret, Error *e);

/** spec_parse_unsupported() - a setting of others that we do not have
 * row->data: NULL-terminated values that ask for what we do anyway, accepted; NULL = none */
int spec_parse_unsupported(const Setting *row, const char *value, void *at, Error *e);
