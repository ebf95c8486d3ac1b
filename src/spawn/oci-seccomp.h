/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system call filter of an OCI document, as a program. It comes in place of ours: what it allows is
 * allowed, and a document without one is a container without a filter. */
#pragma once

#include "oci/config.h"
#include "spawn/seccomp-plan.h"

/** oci_seccomp_plan() - make the program
 * @s:    NULL = none, which is no program
 * @ret:  owned by the caller
 * Return: 0; -EINVAL for a name or number that there is not; -E2BIG if the kernel would not take it; -ENOMEM. */
int oci_seccomp_plan(const OciSeccomp *s, SeccompProgram *ret, Error *e);
