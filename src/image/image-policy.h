/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which partitions of an image may be used, and how they have to be protected: what others write as
 * "root=verity+signed:home=encrypted+absent:=ignore", see systemd.image-policy(7). Pure: it is told what
 * an image has, and says what to do with it. */
#pragma once

#include "base/error.h"
#include "image/designator.h"

/* Alternatives: any of those that are set will do. */
typedef enum PolicyFlags {
        /* how a partition is used, or that it is not */
        POLICY_VERITY = 1 << 0,
        POLICY_SIGNED = 1 << 1, /* verity, with a signature of the root hash that we trust */
        POLICY_ENCRYPTED = 1 << 2,
        POLICY_ENCRYPTED_WITH_INTEGRITY = 1 << 3,
        POLICY_UNPROTECTED = 1 << 4,
        POLICY_UNUSED = 1 << 5, /* it is there and stays unused */
        POLICY_ABSENT = 1 << 6,
        /* flags of the partition table that it has */
        POLICY_READ_ONLY_OFF = 1 << 7,
        POLICY_READ_ONLY_ON = 1 << 8,
        POLICY_GROWFS_OFF = 1 << 9,
        POLICY_GROWFS_ON = 1 << 10,
        /* file system that it holds */
        POLICY_BTRFS = 1 << 11,
        POLICY_EROFS = 1 << 12,
        POLICY_EXT4 = 1 << 13,
        POLICY_F2FS = 1 << 14,
        POLICY_SQUASHFS = 1 << 15,
        POLICY_VFAT = 1 << 16,
        POLICY_XFS = 1 << 17,

        POLICY_ANY_VERITY = POLICY_VERITY | POLICY_SIGNED,
        POLICY_ANY_ENCRYPTED = POLICY_ENCRYPTED | POLICY_ENCRYPTED_WITH_INTEGRITY,
        POLICY_IGNORE = POLICY_UNUSED | POLICY_ABSENT,
        POLICY_OPEN = POLICY_ANY_VERITY | POLICY_ANY_ENCRYPTED | POLICY_UNPROTECTED | POLICY_IGNORE,
        POLICY_READ_ONLY_ANY = POLICY_READ_ONLY_OFF | POLICY_READ_ONLY_ON,
        POLICY_GROWFS_ANY = POLICY_GROWFS_OFF | POLICY_GROWFS_ON,
        POLICY_FILE_SYSTEM_ANY = POLICY_BTRFS | POLICY_EROFS | POLICY_EXT4 | POLICY_F2FS |
                                 POLICY_SQUASHFS | POLICY_VFAT | POLICY_XFS,
} PolicyFlags;

/* All zero is the policy "-": nothing is used. Flags in here are complete: where a rule does not speak
 * of the use, of a flag of the partition table or of the file system, all of those are set. */
typedef struct ImagePolicy {
        uint32_t rules[_PARTITION_ROLE_MAX]; /* 0 = no rule of its own */
        uint32_t otherwise;                  /* 0 = POLICY_IGNORE */
} ImagePolicy;

/* What an image has in one role. */
typedef struct PartitionFacts {
        bool exists;
        bool is_encrypted;  /* holds LUKS, not a file system */
        bool has_verity;    /* root hash and hash tree are known */
        bool has_signature; /* of that root hash; nobody has looked at it yet */
        bool read_only;     /* flags of the partition table, false without one */
        bool growfs;
        const char *file_system; /* NULL = not known, or encrypted */
} PartitionFacts;

/* What to do with a partition. */
typedef enum PartitionUse {
        PARTITION_LEAVE, /* there is none, or it is not to be used */
        PARTITION_PLAIN,
        PARTITION_CHECKED, /* with verity */
        PARTITION_SIGNED,  /* with verity, if the signature is good; else as if there were none */
        PARTITION_DECRYPTED,
        PARTITION_DECRYPTED_CHECKED, /* only if it has integrity data */
        _PARTITION_USE_MAX,
        _PARTITION_USE_INVALID = -EINVAL,
} PartitionUse;

/* The policy of a machine that was given none, as text. */
#define IMAGE_POLICY_SPAWN                                                                         \
        "root=" POLICY_ROOT_TEXT ":usr=" POLICY_ROOT_TEXT ":home=" POLICY_DATA_TEXT                \
        ":srv=" POLICY_DATA_TEXT ":esp=unprotected+absent:xbootldr=unprotected+absent"             \
        ":tmp=" POLICY_DATA_TEXT ":var=" POLICY_DATA_TEXT
#define POLICY_DATA_TEXT "encrypted+encryptedwithintegrity+unprotected+absent"
#define POLICY_ROOT_TEXT "verity+signed+" POLICY_DATA_TEXT

/** image_policy_spawn() - the policy of a machine that was given none: IMAGE_POLICY_SPAWN */
void image_policy_spawn(ImagePolicy *ret);
/** image_policy_parse() - read a policy
 * "*" uses everything, "-" (and an empty text) nothing, "~" wants nothing to be there.
 * Return: 0; -EINVAL with @e saying which rule is at fault. */
int image_policy_parse(const char *text, ImagePolicy *ret, Error *e);
/** image_policy_format() - write a policy in its shortest form. Return: 0 or -ENOMEM. */
int image_policy_format(const ImagePolicy *p, char **ret);
/** policy_flags_format() - write one rule, as in "verity+absent+read-only-on". Return: 0 or -ENOMEM. */
int policy_flags_format(uint32_t flags, char **ret);
/** image_policy_get() - flags for a role, whether it has a rule or not
 *
 * A hash or signature partition without a rule may be used where the rule of its data partition can
 * use it, and may be missing where that can do without. Protection that a role cannot have (verity for
 * home) is not in what comes back.
 * Return: the flags; no use at all in them = nothing would do. */
uint32_t image_policy_get(const ImagePolicy *p, PartitionDesignator d);
/** image_policy_choose() - how a partition is to be used: the strongest protection that the policy allows
 * and the image has
 * Return: 0; -EPERM the policy refuses the image, with @e saying what it wants and what is there. */
int image_policy_choose(const ImagePolicy *p, PartitionDesignator d, const PartitionFacts *f,
                        PartitionUse *ret, Error *e);
/** image_policy_check_file_system() - the same for a file system that was found later, behind encryption
 * Return: 0; -EPERM. */
int image_policy_check_file_system(const ImagePolicy *p, PartitionDesignator d,
                                   const char *file_system, Error *e);
