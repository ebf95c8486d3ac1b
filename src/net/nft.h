/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The packet filter, in the words of nft(8). They are for skep-nft, the aide that has the library; it is
 * started for each call, which takes a few milliseconds. Numbers in place of names of protocols and
 * services: the aide opens no file to look them up in. */
#pragma once

#include "base/aide.h"

#define NFT_AIDE "skep-nft"

enum {
        NFT_COMMANDS_FD = AIDE_FDS, /* memory file with the commands */
        NFT_ANSWER_FD,              /* memory file for what they print */
};

/** nft_run() - have commands done in our network namespace, all of them or none
 * @commands: text as nft(8) reads it from a file
 * @ret:      what they print ("list …"), owned by the caller; NULL = nothing is wanted
 * Return: 0; -ENOPKG the aide is not installed; the kernel's -errno for what it refused, with nft's first
 * line in @e; -EINVAL the text makes no sense to it; -ETIMEDOUT; -errno. */
int nft_run(const char *commands, char **ret, Error *e);
