/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What users say of system calls and address families, by name: lists for and against, as bits over the
 * tables of the build. */
#pragma once

#include "base/error.h"
#include "base/text.h"
#include "spawn/seccomp-table.h"

/* Calls named in SystemCallFilter=. What is in both is denied. Bits are indices of seccomp_calls[]. */
typedef struct SeccompList {
        uint64_t allow[SECCOMP_CALLS_MAX / 64];
        uint64_t deny[SECCOMP_CALLS_MAX / 64];
} SeccompList;

#define FAMILIES_MAX 64

typedef enum FamilyMode {
        FAMILIES_ALL,     /* nothing was said */
        FAMILIES_ONLY,    /* those in the mask */
        FAMILIES_ALL_BUT, /* all but those in the mask */
} FamilyMode;

/* RestrictAddressFamilies= */
typedef struct FamilyList {
        FamilyMode mode;
        uint64_t mask; /* 1 << AF_* */
} FamilyList;

/** seccomp_call_find() - index of a system call in seccomp_calls[], by name. Return: it, or -ENOENT. */
int seccomp_call_find(const char *name);
/** seccomp_call_name() - name of the call at an index */
const char *seccomp_call_name(size_t i);

/** seccomp_list_parse() - add "[~]NAME…", names of calls and sets separated by blanks or commas; nothing at
 * all empties the list
 * Return: 0; -EINVAL with @e naming what nobody knows; -ENOMEM. */
int seccomp_list_parse(const char *s, SeccompList *list, Error *e);
/** seccomp_list_format() - the two lists as seccomp_list_parse() takes them, each may be NULL
 * Return: 0 or -ENOMEM. */
int seccomp_list_format(const SeccompList *list, Buf *allow, Buf *deny);
/** seccomp_list_only_denies() - whether a value does nothing but deny: anybody may say that */
bool seccomp_list_only_denies(const char *s);
/** seccomp_list_help() - names of all sets, a line each. Return: 0 or -ENOMEM. */
int seccomp_list_help(Buf *out);

/** family_list_parse() - "[~]AF_…", "none", or nothing at all, which lifts the restriction
 *
 * The first list says whether those named are the only ones (or, with '~', the only ones not); later ones
 * add to it, or with the other sign take away from it.
 * Return: 0; -EINVAL; -ENOMEM. */
int family_list_parse(const char *s, FamilyList *list, Error *e);
/** family_list_allows() - the families that are left, 1 << AF_*; those beyond are as the mode says */
uint64_t family_list_allows(const FamilyList *list);
/** family_list_both() - the families that both lists allow */
FamilyList family_list_both(const FamilyList *a, const FamilyList *b);
/** family_list_format() - as family_list_parse() takes it. Return: 0 or -ENOMEM. */
int family_list_format(const FamilyList *list, Buf *out);
/** family_list_help() - names of all families, a line each. Return: 0 or -ENOMEM. */
int family_list_help(Buf *out);
