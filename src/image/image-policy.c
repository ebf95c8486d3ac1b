/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies for images: their text, and what follows from one for an image. Knows neither devices nor
 * partition tables. */
#include "image/image-policy.h"

#include "base/text.h"

#define USE_MASK POLICY_OPEN

static const struct {
        const char *word;
        uint32_t flags;
} words[] = {
        { "verity", POLICY_VERITY },
        { "signed", POLICY_SIGNED },
        { "encrypted", POLICY_ENCRYPTED },
        { "encryptedwithintegrity", POLICY_ENCRYPTED_WITH_INTEGRITY },
        { "unprotected", POLICY_UNPROTECTED },
        { "unused", POLICY_UNUSED },
        { "absent", POLICY_ABSENT },
        { "read-only-off", POLICY_READ_ONLY_OFF },
        { "read-only-on", POLICY_READ_ONLY_ON },
        { "growfs-off", POLICY_GROWFS_OFF },
        { "growfs-on", POLICY_GROWFS_ON },
        { "btrfs", POLICY_BTRFS },
        { "erofs", POLICY_EROFS },
        { "ext4", POLICY_EXT4 },
        { "f2fs", POLICY_F2FS },
        { "squashfs", POLICY_SQUASHFS },
        { "vfat", POLICY_VFAT },
        { "xfs", POLICY_XFS },
        /* Short for several. */
        { "open", POLICY_OPEN },
        { "ignore", POLICY_IGNORE },
};

#define N_PLAIN_WORDS (ELEMENTSOF(words) - 2)

/* Groups of which a rule that names none of a group allows all. */
static const uint32_t groups[] = { USE_MASK, POLICY_READ_ONLY_ANY, POLICY_GROWFS_ANY,
                                   POLICY_FILE_SYSTEM_ANY };

void image_policy_spawn(ImagePolicy *ret) {
        const uint32_t any = POLICY_READ_ONLY_ANY | POLICY_GROWFS_ANY | POLICY_FILE_SYSTEM_ANY |
                             POLICY_UNPROTECTED | POLICY_ABSENT;
        const uint32_t data = any | POLICY_ANY_ENCRYPTED;

        *ret = (ImagePolicy){ .rules = {
                                      [PARTITION_ROOT] = data | POLICY_ANY_VERITY,
                                      [PARTITION_USR] = data | POLICY_ANY_VERITY,
                                      [PARTITION_HOME] = data,
                                      [PARTITION_SRV] = data,
                                      [PARTITION_TMP] = data,
                                      [PARTITION_VAR] = data,
                                      [PARTITION_ESP] = any,
                                      [PARTITION_XBOOTLDR] = any,
                              } };
}

static uint32_t complete(uint32_t flags) {
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                if (!(flags & groups[i]))
                        flags |= groups[i];
        return flags;
}

static int parse_word(const char *word, size_t n, uint32_t *flags) {
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strlen(words[i].word) == n && memcmp(words[i].word, word, n) == 0) {
                        *flags |= words[i].flags;
                        return 0;
                }
        return -EINVAL;
}

static int parse_flags(const char *text, size_t n, uint32_t *ret, Error *e) {
        const char *end = text + n;
        uint32_t flags = 0;

        if (n > 0 && !(n == 1 && *text == '-'))
                for (const char *p = text; p <= end;) {
                        const char *plus = memchr(p, '+', (size_t) (end - p));
                        size_t length = (size_t) ((plus ? plus : end) - p);
                        if (parse_word(p, length, &flags) < 0)
                                return error_set(e, EINVAL, "'%.*s' is not a flag of a policy",
                                                 (int) MIN(length, (size_t) 60), p);
                        p += length + 1;
                }
        *ret = complete(flags);
        return 0;
}

static int parse_rule(const char *text, size_t n, ImagePolicy *p, Error *e) {
        const char *equals = memchr(text, '=', n);
        size_t length = equals ? (size_t) (equals - text) : 0;
        PartitionDesignator d = 0;
        int shown = (int) MIN(n, (size_t) 60), r;

        if (!equals)
                return error_set(e, EINVAL, "'%.*s' is not PARTITION=FLAG[+FLAG…]", shown, text);
        if (length > 0)
                d = partition_designator_find(text, length);
        if (d < 0 || d >= _PARTITION_ROLE_MAX)
                return error_set(e, EINVAL, "'%.*s' is not a kind of partition",
                                 (int) MIN(length, (size_t) 60), text);

        uint32_t *rule = length > 0 ? p->rules + d : &p->otherwise;
        if (*rule != 0)
                return error_set(e, EINVAL, "there are two rules for '%.*s='", (int) length, text);
        r = parse_flags(equals + 1, n - length - 1, rule, e);
        return r < 0 ? error_wrap(e, r, "'%.*s'", shown, text) : 0;
}

int image_policy_parse(const char *text, ImagePolicy *ret, Error *e) {
        ImagePolicy p = {};

        if (streq(text, "*"))
                p.otherwise = complete(POLICY_OPEN);
        else if (streq(text, "~"))
                p.otherwise = complete(POLICY_ABSENT);
        else if (*text && !streq(text, "-"))
                for (const char *rule = text; rule;) {
                        const char *colon = strchr(rule, ':');
                        size_t n = colon ? (size_t) (colon - rule) : strlen(rule);
                        int r = parse_rule(rule, n, &p, e);
                        if (r < 0)
                                return r;
                        rule = colon ? colon + 1 : NULL;
                }
        *ret = p;
        return 0;
}

static int add_word(Buf *b, const char *word, size_t start) {
        return buf_printf(b, "%s%s", b->n > start ? "+" : "", word);
}

static int format_flags(Buf *b, uint32_t flags) {
        uint32_t left = flags;
        size_t start = b->n;
        int r = 0;

        for (size_t i = 1; i < ELEMENTSOF(groups); i++)
                if ((left & groups[i]) == groups[i])
                        left &= ~groups[i];
        if ((left & USE_MASK) == POLICY_OPEN || (left & USE_MASK) == POLICY_IGNORE) {
                r = add_word(b, (left & USE_MASK) == POLICY_OPEN ? "open" : "ignore", start);
                left &= ~(uint32_t) USE_MASK;
        }
        for (size_t i = 0; i < N_PLAIN_WORDS && r >= 0; i++)
                if (left & words[i].flags)
                        r = add_word(b, words[i].word, start);
        return r;
}

int policy_flags_format(uint32_t flags, char **ret) {
        _cleanup_(buf_done) Buf b = {};

        if (format_flags(&b, flags) < 0)
                return -ENOMEM;
        *ret = buf_take(&b);
        return *ret ? 0 : -ENOMEM;
}

static int format_rule(Buf *b, const char *name, uint32_t flags) {
        int r = buf_printf(b, "%s%s=", b->n > 0 ? ":" : "", name);

        return r < 0 ? r : format_flags(b, flags);
}

/* The policies that have a name of one letter; NULL = it is none of them. */
static const char *short_name(const ImagePolicy *p) {
        for (size_t i = 0; i < ELEMENTSOF(p->rules); i++)
                if (p->rules[i] != 0)
                        return NULL;
        return p->otherwise == 0                         ? "-"
               : p->otherwise == complete(POLICY_IGNORE) ? "-"
               : p->otherwise == complete(POLICY_OPEN)   ? "*"
               : p->otherwise == complete(POLICY_ABSENT) ? "~"
                                                         : NULL;
}

int image_policy_format(const ImagePolicy *p, char **ret) {
        _cleanup_(buf_done) Buf b = {};
        const char *name = short_name(p);
        int r = name ? buf_puts(&b, name) : 0;

        if (!name) {
                for (PartitionDesignator d = 0; d < _PARTITION_ROLE_MAX && r >= 0; d++)
                        if (p->rules[d] != 0)
                                r = format_rule(&b, partition_designator_name(d), p->rules[d]);
                if (r >= 0 && p->otherwise != 0 && p->otherwise != complete(POLICY_IGNORE))
                        r = format_rule(&b, "", p->otherwise);
        }
        if (r < 0)
                return r;
        *ret = buf_take(&b);
        return *ret ? 0 : -ENOMEM;
}

static bool can_have_verity(PartitionDesignator d) {
        return d == PARTITION_ROOT || d == PARTITION_USR;
}

/* Rule for a hash or signature partition that has none, from that of its data. */
static uint32_t derive(uint32_t data, PartitionDesignator d) {
        uint32_t users = d == PARTITION_ROOT_VERITY_SIG || d == PARTITION_USR_VERITY_SIG
                                 ? POLICY_SIGNED
                                 : POLICY_ANY_VERITY;
        uint32_t flags = data & (POLICY_READ_ONLY_ANY | POLICY_GROWFS_ANY);

        if (data & users)
                flags |= POLICY_UNPROTECTED;
        if (data & USE_MASK & ~users)
                flags |= POLICY_IGNORE;
        return flags | POLICY_FILE_SYSTEM_ANY;
}

uint32_t image_policy_get(const ImagePolicy *p, PartitionDesignator d) {
        PartitionDesignator data = partition_designator_protects(d);
        uint32_t flags = p->rules[d];

        if (flags == 0 && data >= 0 && p->rules[data] != 0)
                return derive(p->rules[data], d);
        if (flags == 0)
                flags = p->otherwise;
        if (flags == 0)
                flags = complete(POLICY_IGNORE);
        if (data >= 0)
                flags &= ~(uint32_t) (POLICY_ANY_VERITY | POLICY_ANY_ENCRYPTED);
        else if (!can_have_verity(d))
                flags &= ~(uint32_t) POLICY_ANY_VERITY;
        return flags;
}

/* Refuses: "the policy for the root partition is 'verity+absent', but it is not protected". */
static int refuse(PartitionDesignator d, uint32_t flags, Error *e, const char *but) {
        _cleanup_free_ char *text = NULL;

        if (policy_flags_format(flags, &text) < 0)
                return error_oom(e);
        if (!(flags & USE_MASK))
                return error_set(
                        e, EPERM,
                        "the image policy for the %s partition allows nothing that one can have",
                        partition_designator_name(d));
        return error_set(e, EPERM, "the image policy for the %s partition is '%s', but %s",
                         partition_designator_name(d), text, but);
}

static const char *what_is_wrong(uint32_t flags, const PartitionFacts *f) {
        flags &= USE_MASK;
        return flags == POLICY_ABSENT ? "the image has one"
               : f->is_encrypted      ? "it is encrypted"
               : f->has_signature     ? "it has signed verity data"
               : f->has_verity        ? "it has verity data"
                                      : "it has no protection";
}

/* The strongest use that both sides allow. Return: true and *@ret set; false there is none. */
static bool strongest(uint32_t flags, const PartitionFacts *f, PartitionUse *ret) {
        const struct {
                bool possible;
                uint32_t flag;
                PartitionUse use;
        } uses[] = {
                { f->is_encrypted, POLICY_ENCRYPTED, PARTITION_DECRYPTED },
                { f->is_encrypted, POLICY_ENCRYPTED_WITH_INTEGRITY, PARTITION_DECRYPTED_CHECKED },
                { f->has_verity && f->has_signature && !f->is_encrypted, POLICY_SIGNED,
                  PARTITION_SIGNED },
                { f->has_verity && !f->is_encrypted, POLICY_VERITY, PARTITION_CHECKED },
                { !f->is_encrypted, POLICY_UNPROTECTED, PARTITION_PLAIN },
                { true, POLICY_UNUSED, PARTITION_LEAVE },
        };

        for (size_t i = 0; i < ELEMENTSOF(uses); i++)
                if (uses[i].possible && (flags & uses[i].flag)) {
                        *ret = uses[i].use;
                        return true;
                }
        return false;
}

static int check_file_system(uint32_t flags, PartitionDesignator d, const char *type, Error *e) {
        uint32_t found = 0;
        char text[120];

        if ((flags & POLICY_FILE_SYSTEM_ANY) == POLICY_FILE_SYSTEM_ANY)
                return 0;
        if (parse_word(type, strlen(type), &found) >= 0 && (found & flags & POLICY_FILE_SYSTEM_ANY))
                return 0;
        (void) snprintf(text, sizeof text, "it holds a file system of type %.60s", type);
        return refuse(d, flags, e, text);
}

int image_policy_check_file_system(const ImagePolicy *p, PartitionDesignator d,
                                   const char *file_system, Error *e) {
        return check_file_system(image_policy_get(p, d), d, file_system, e);
}

int image_policy_choose(const ImagePolicy *p, PartitionDesignator d, const PartitionFacts *f,
                        PartitionUse *ret, Error *e) {
        uint32_t flags = image_policy_get(p, d);
        PartitionUse use = PARTITION_LEAVE;

        if (!f->exists && !(flags & POLICY_ABSENT))
                return refuse(d, flags, e, "the image has none");
        if (f->exists && !strongest(flags, f, &use))
                return refuse(d, flags, e, what_is_wrong(flags, f));
        if (f->exists) {
                if (!(flags & (f->read_only ? POLICY_READ_ONLY_ON : POLICY_READ_ONLY_OFF)))
                        return refuse(d, flags, e,
                                      f->read_only ? "it is marked read-only"
                                                   : "it is not marked read-only");
                if (!(flags & (f->growfs ? POLICY_GROWFS_ON : POLICY_GROWFS_OFF)))
                        return refuse(d, flags, e,
                                      f->growfs ? "it is marked to grow"
                                                : "it is not marked to grow");
        }
        if (use != PARTITION_LEAVE && f->file_system) {
                int r = check_file_system(flags, d, f->file_system, e);
                if (r < 0)
                        return r;
        }
        *ret = use;
        return 0;
}
