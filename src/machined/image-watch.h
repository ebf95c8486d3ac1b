/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells everybody on the bus of images that come, go and change, whoever made them do so. */
#pragma once

#include "machined/manager.h"

/** image_watch_start() - learn what there is, and watch the pool from then on. What goes wrong is logged. */
void image_watch_start(Manager *m);
/** image_watch_names() - names of the images that there are, as far as is known
 * Return: 1 and a new vector; 0 nothing is known yet; -ENOMEM. */
int image_watch_names(const Manager *m, char ***ret);
/** image_watch_free() - stop. Return: NULL. */
ImageWatch *image_watch_free(ImageWatch *w);
