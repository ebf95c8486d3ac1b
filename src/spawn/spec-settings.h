/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a Spec comes from: one row per option and key, the command line, the settings file. */
#pragma once

#include "app/help.h"
#include "base/setting.h"
#include "spawn/spec.h"

/* What the rows fill: the Spec, and what is about this one call. The Spec comes first, so that an offset
 * into one is an offset into the other. */
typedef struct SpecCommand {
        Spec spec;
        bool help;
        bool version;
        bool nothing; /* what is accepted because it asks for what we do anyway */
} SpecCommand;

/** spec_settings() - the table of all options and keys */
const Setting *spec_settings(size_t *ret_n);
/** spec_help() - what --help, the manual page and the completion are made of */
const HelpPage *spec_help(void);

/** spec_read() - command line, then the settings file that belongs to the machine, then
 * spec_resolve() and spec_check()
 * @ret:        initialised by the caller with spec_init()
 * @ret_notes:  sentences for the user on what was passed over, new vector
 * Return: 0; SPEC_READ_DONE (> 0) if something was to be printed alone, and has been; -errno. */
enum { SPEC_READ_DONE = 1 };
int spec_read(char *const *argv, Spec *ret, char ***ret_notes, Error *e);

/** spec_dump() - (spec-dump.c) all settings, each with what it is in effect and where that comes from
 * @form:  DUMP_TEXT: a settings file that says the same, what is not set as a comment, what a file cannot
 *         say in a section that is passed over; DUMP_JSON: an array with one object per assignment
 * @c:     the outcome, resolved
 * Return: 0 or -ENOMEM. */
int spec_dump(const Settings *s, const SpecCommand *c, DumpForm form, Buf *out);

/** spec_read_environment() - (spec-environment.c) add what the reference's environment variables say
 * Return: 0; -EINVAL; -EOPNOTSUPP for those that ask for what we do not do; -ENOMEM. */
int spec_read_environment(Settings *s, unsigned rank, Error *e);

/** spec_check() - whether the Spec makes sense; refuses, never repairs
 * @origins: where the settings came from, for the messages
 * Return: 0 or -errno. */
int spec_check(const Spec *s, const Settings *origins, Error *e);

/** spec_take_bundle() - (spec-bundle.c) make the Spec of --oci-bundle= what its document says
 * @s:      what was said besides
 * @notes:  sentences for the user, added
 * Return: 0 or -errno. */
int spec_take_bundle(Spec *spec, const Settings *s, char ***notes, Error *e);
