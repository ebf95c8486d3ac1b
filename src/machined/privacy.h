/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What strangers are told of a machine. Its name, class, service and state are everybody's; all else is
 * told to root, to who registered it, and to who may inspect machines. Of an image that is its name and type;
 * all else is told to root and to who may inspect images. */
#pragma once

#include "machined/manager.h"

/** privacy_watch() - look at who reads properties of machines on a bus, before anything answers
 * Return: 0 or -errno. */
int privacy_watch(Manager *m, sd_bus *bus, Error *e);
/** privacy_unwatch() - forget a bus that goes */
void privacy_unwatch(Manager *m, sd_bus *bus);
/** privacy_view() - the machine as who reads its properties now may see it
 * Return: @machine, or one that has only what everybody may know; good until the next call. */
Machine *privacy_view(Manager *m, Machine *machine);
/** privacy_image() - the same for an image. Return: @image, or one without a path, times and sizes. */
const Image *privacy_image(Manager *m, const Image *image);
/** privacy_reveals() - the same for what is known of the pool */
bool privacy_reveals(Manager *m);
/** privacy_check() - the same for calls: op_authorize() for a look
 * @verb: as polkit rules see it
 * Return: as polkit_check(). */
int privacy_check(Manager *m, sd_bus_message *call, const Machine *machine, const char *verb,
                  Error *e);
/** privacy_check_any() - the same for a question about no machine in particular */
int privacy_check_any(Manager *m, sd_bus_message *call, const char *verb, Error *e);
/** privacy_check_image() - the same for an image. Return: as polkit_check(). */
int privacy_check_image(Manager *m, sd_bus_message *call, const Image *image, const char *verb,
                        Error *e);
/** privacy_check_images() - the same for all images, without asking for a password. Return: as polkit_check(). */
int privacy_check_images(Manager *m, sd_bus_message *call, const char *verb, Error *e);
