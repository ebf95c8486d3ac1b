/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --template=: a machine's directory that is missing is made of another one. */
#pragma once

#include "spawn/run.h"

enum {
        TEMPLATE_UNUSED = 1, /* positive outcome: the directory is there already */
};

/** template_resolve() - find the template, and tell where the directory is to be
 * An ephemeral machine that has a template and no directory runs on the template.
 * Return: 1 spec->directory is decided, it may be missing; 0 it is for others to find; -errno. */
int template_resolve(Spec *s, Error *e);

/** template_apply() - PHASE_HOST, once: make the directory if it is missing
 * It appears when it is complete and on the disk. Return: 0; TEMPLATE_UNUSED; -errno, nothing left. */
int template_apply(const Spec *spec, Run *run, Error *e);
