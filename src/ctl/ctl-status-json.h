/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status and image-status as JSON; and what they share with the form for people. */
#pragma once

#include "ctl/client.h"
#include "ctl/property.h"

/** status_machine_properties() - all that the daemon says of a machine. Return: 0 or -errno. */
int status_machine_properties(Ctl *c, const char *name, Properties *ret, Error *e);
/** status_image_properties() - all that the daemon says of an image. Return: 0 or -errno. */
int status_image_properties(Ctl *c, const char *name, Properties *ret, Error *e);

/** status_json() - put an array with an object per name into the output; what fails is reported
 * @is_machine: names are those of machines, else of images
 * Return: exit status, or -errno. */
int status_json(Ctl *c, char *const *names, bool is_machine, Error *e);
/** status_json_pool() - put one object with what there is to know of the pool into the output
 * Return: 0 or -ENOMEM. */
int status_json_pool(Ctl *c, const Properties *p, Error *e);
