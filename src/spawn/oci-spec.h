/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a bundle of the Open Container Initiative to a Spec: what the document says in other words than ours. What
 * has no place in a Spec stays in the document, which the Spec keeps. */
#pragma once

#include "oci/config.h"
#include "spawn/spec.h"

/** oci_spec_read() - read config.json of a bundle. Return: 0 or -errno, naming the file. */
int oci_spec_read(const char *bundle, OciConfig **ret, Error *e);

/** oci_spec_fill() - take what a document says into a Spec
 * @s:       oci_bundle is set; it may have what a document does not speak of: name, unit, console
 * @config:  now belongs to the Spec
 * @notes:   a line for each thing that cannot be had and may be missing
 * Return: 0; -EINVAL what the document wants does not go together; -errno. */
int oci_spec_fill(Spec *s, OciConfig *config, Buf *notes, Error *e);

/** oci_spec_ranges() - ID mappings as ranges. @what: for messages. Return: 0; -EINVAL, -E2BIG. */
int oci_spec_ranges(const OciIdMappings *m, const char *what, IdRanges *ret, Error *e);

/** oci_spec_limits() - rlimits of a process. Return: 0; -EINVAL. */
int oci_spec_limits(const OciProcess *p, Limit limits[static LIMITS_MAX], Error *e);

/** oci_spec_has_new() - whether a container gets a new namespace of this type */
bool oci_spec_has_new(const OciConfig *c, OciNamespaceType type);
/** oci_spec_has_any() - whether it is in another one than ours, new or not */
bool oci_spec_has_any(const OciConfig *c, OciNamespaceType type);
