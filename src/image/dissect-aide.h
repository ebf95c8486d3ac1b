/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What skep-dissect and those who start it agree on: it is given the image and a memory file of fixed size,
 * and writes the text of a Dissection there. */
#pragma once

#include "base/aide.h"
#include "image/dissection.h"

#define DISSECT_AIDE        "skep-dissect"
#define DISSECT_BARE        "bare" /* first word: look for no partition table */
#define DISSECT_ANSWER_SIZE (256 * 1024)

enum {
        DISSECT_IMAGE_FD = AIDE_FDS, /* only read from */
        DISSECT_ANSWER_FD,
};

/** dissect_image() - have an image looked at
 * @image_fd:  file or block device, readable
 * @bare:      it has no partition table, whatever it looks like
 * @ret:       dissection_done() it
 * Return: 0; -EMEDIUMTYPE nothing we know; -ENOTUNIQ it could be several things; -EUCLEAN it is damaged;
 * -ENOPKG the aide is not installed; -errno. The sentence in @e is about "the image". */
int dissect_image(int image_fd, bool bare, Dissection *ret, Error *e);
