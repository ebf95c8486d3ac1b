/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the bytes of an image to its list of partitions: libblkid reads tables and superblocks, here is
 * decided what that means for a machine. */
#include "dissect/probe.h"

#include <blkid.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <systemd/sd-gpt.h>
#include <unistd.h>

#include "dissect/partition-type.h"
#include "dissect/signature.h"

#define SECTOR 512 /* libblkid counts in these, whatever the disk's are */

enum { MBR_LINUX = 0x83, MBR_XBOOTLDR = 0xea, MBR_ESP = 0xef, MBR_BOOTABLE = 0x80 };

static void probe_free(blkid_probe p) {
        if (p)
                blkid_free_probe(p);
}
DEFINE_CLEANUP(blkid_probe, probe_free)
#define _cleanup_probe_ _cleanup_(probe_freep)

typedef struct Image {
        int fd;
        uint64_t size;
        uint32_t sector_size;
        bool has_gpt_mark; /* that a GPT was there once; what it is worth, libblkid says */
} Image;

/* A GPT begins in the second sector, which tells how large sectors were for who wrote it. */
static int find_mark(Image *i, Error *e) {
        for (uint32_t size = 512; size <= 4096; size *= 2) {
                char mark[8];
                ssize_t n = pread(i->fd, mark, sizeof mark, size);

                if (n < 0)
                        return error_set(e, errno, "cannot read the image: %m");
                if (n != sizeof mark || memcmp(mark, "EFI PART", sizeof mark) != 0)
                        continue;
                i->has_gpt_mark = true;
                i->sector_size = size;
                return 0;
        }
        return 0;
}

static int open_image(int fd, Image *ret, Error *e) {
        struct stat st;
        int sector_size;

        *ret = (Image){ .fd = fd, .sector_size = 512 };
        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at the image: %m");
        if (S_ISBLK(st.st_mode)) {
                if (ioctl(fd, BLKGETSIZE64, &ret->size) < 0 ||
                    ioctl(fd, BLKSSZGET, &sector_size) < 0)
                        return error_set(e, errno, "cannot tell the size of the device: %m");
                ret->sector_size = (uint32_t) sector_size;
        } else if (S_ISREG(st.st_mode))
                ret->size = (uint64_t) st.st_size;
        else
                return error_set(e, ENOTBLK, "the image is neither a file nor a block device");
        if (ret->size == 0)
                return error_set(e, EMEDIUMTYPE, "the image is empty");
        return find_mark(ret, e);
}

/* Return: 1 something was recognized; 0 nothing; -ENOTUNIQ several things; -EIO. */
static int probe(const Image *i, uint64_t offset, uint64_t size, bool tables, blkid_probe *ret,
                 Error *e) {
        _cleanup_probe_ blkid_probe p = blkid_new_probe();

        if (!p)
                return error_oom(e);
        if (blkid_probe_set_device(p, i->fd, (blkid_loff_t) offset, (blkid_loff_t) size) < 0)
                return error_set(e, EIO, "cannot read the image");
        (void) blkid_probe_set_sectorsize(p, i->sector_size);
        (void) blkid_probe_enable_superblocks(p, 1);
        (void) blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_TYPE);
        (void) blkid_probe_enable_partitions(p, tables);
        (void) blkid_probe_set_partitions_flags(p, BLKID_PARTS_ENTRY_DETAILS);

        errno = 0;
        int r = blkid_do_safeprobe(p);
        if (r == -2)
                return error_set(e, ENOTUNIQ, "it could be of several types");
        if (r < 0)
                return error_set(e, errno > 0 ? errno : EIO, "cannot read it: %m");
        if (r == 0)
                *ret = TAKE_PTR(p);
        return r == 0;
}

static const char *value(blkid_probe p, const char *name) {
        const char *v = NULL;

        return blkid_probe_lookup_value(p, name, &v, NULL) < 0 ? NULL : v;
}

static void set_fstype(Partition *p, const char *type) {
        if (type && strlen(type) < sizeof p->fstype)
                (void) snprintf(p->fstype, sizeof p->fstype, "%s", type);
}

static bool holds_file_system(PartitionDesignator d) {
        return d != PARTITION_OTHER && d != PARTITION_SWAP && d != PARTITION_ROOT_VERITY_SIG &&
               d != PARTITION_USR_VERITY_SIG;
}

static void set_label(Partition *p, const char *name) {
        if (!name || !str_is_utf8(name, strlen(name)) || strlen(name) >= sizeof p->label)
                return;
        for (const char *c = name; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        return;
        (void) snprintf(p->label, sizeof p->label, "%s", name);
}

static void describe_gpt(Partition *p, blkid_partition part) {
        unsigned long long flags = blkid_partition_get_flags(part);
        const char *type = blkid_partition_get_type_string(part);
        const char *uuid = blkid_partition_get_uuid(part);

        if (type)
                (void) id128_parse(type, &p->type);
        if (uuid)
                (void) id128_parse(uuid, &p->uuid);
        p->flags = (flags & SD_GPT_FLAG_READ_ONLY ? PARTITION_READ_ONLY : 0) |
                   (flags & SD_GPT_FLAG_NO_AUTO ? PARTITION_NO_AUTO : 0) |
                   (flags & SD_GPT_FLAG_GROWFS ? PARTITION_GROWFS : 0);
        set_label(p, blkid_partition_get_name(part));
        partition_type_find(p);
}

static void describe_mbr(Partition *p, blkid_partition part) {
        int type = blkid_partition_get_type(part);
        bool bootable = blkid_partition_get_flags(part) == MBR_BOOTABLE;

        p->designator = type == MBR_LINUX && bootable ? PARTITION_GENERIC
                        : type == MBR_XBOOTLDR        ? PARTITION_XBOOTLDR
                        : type == MBR_ESP             ? PARTITION_ESP
                                                      : PARTITION_OTHER;
}

static int add_partition(const Image *i, blkid_partition part, Dissection *d, Error *e) {
        Partition p = { .number = (unsigned) blkid_partition_get_partno(part) };
        uint64_t start = (uint64_t) blkid_partition_get_start(part);
        uint64_t size = (uint64_t) blkid_partition_get_size(part);
        _cleanup_probe_ blkid_probe inside = NULL;
        int r;

        if (d->table == PARTITION_TABLE_GPT)
                describe_gpt(&p, part);
        else
                describe_mbr(&p, part);
        if (size == 0 || start > i->size / SECTOR || size > i->size / SECTOR - start) {
                if (p.designator == PARTITION_OTHER)
                        return 0;
                return error_set(
                        e, EUCLEAN,
                        "partition %u reaches beyond the end of the image, which may be cut short",
                        p.number);
        }
        p.offset = start * SECTOR;
        p.size = size * SECTOR;

        if (holds_file_system(p.designator) && !(p.flags & PARTITION_NO_AUTO)) {
                r = probe(i, p.offset, p.size, false, &inside, e);
                if (r < 0 && r != -ENOTUNIQ)
                        return error_wrap(e, r, "partition %u", p.number);
                if (r > 0)
                        set_fstype(&p, value(inside, "TYPE"));
        }
        r = dissection_add(d, &p);
        if (r == -E2BIG)
                return error_set(e, r, "the image has more than %d partitions", PARTITIONS_MAX);
        if (r < 0)
                return error_oom(e);
        return p.designator == PARTITION_ROOT_VERITY_SIG || p.designator == PARTITION_USR_VERITY_SIG
                       ? signature_read(i->fd, d, e)
                       : 0;
}

static int unknown(const Image *i, Error *e) {
        if (i->has_gpt_mark)
                return error_set(e, EUCLEAN,
                                 "the partition table is damaged, or the image is cut short");
        return error_set(e, EMEDIUMTYPE,
                         "the image has neither a partition table nor a file system that we know");
}

static int add_table(const Image *i, blkid_probe whole, const char *type, Dissection *d, Error *e) {
        /* The MBR that every GPT hides behind, without one. */
        if (streq(type, "PMBR"))
                return unknown(i, e);
        if (streq(type, "gpt"))
                d->table = PARTITION_TABLE_GPT;
        else if (streq(type, "dos"))
                d->table = PARTITION_TABLE_MBR;
        else
                return error_set(e, EMEDIUMTYPE,
                                 "the image has a partition table of the type '%s', not GPT or MBR",
                                 type);

        /* This makes the values of the probe, @type among them, go away. */
        blkid_partlist list = blkid_probe_get_partitions(whole);
        if (!list)
                return error_set(e, EUCLEAN, "the partition table cannot be read");
        for (int n = 0; n < blkid_partlist_numof_partitions(list); n++) {
                blkid_partition part = blkid_partlist_get_partition(list, n);
                int r = part ? add_partition(i, part, d, e) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_bare(const Image *i, const char *type, Dissection *d, Error *e) {
        Partition p = { .designator = PARTITION_ROOT, .size = i->size };

        set_fstype(&p, type);
        return dissection_add(d, &p) < 0 ? error_oom(e) : 0;
}

int probe_image(int fd, bool bare, Dissection *ret, Error *e) {
        _cleanup_(dissection_done) Dissection d = {};
        _cleanup_probe_ blkid_probe whole = NULL;
        Image i;
        int r = open_image(fd, &i, e);

        if (r >= 0)
                r = probe(&i, 0, i.size, !bare, &whole, e);
        if (r == -ENOTUNIQ)
                return error_set(e, r, "the image could be of several types of file system");
        if (r < 0)
                return r;
        if (r == 0)
                return unknown(&i, e);

        const char *type = value(whole, "TYPE"), *table = value(whole, "PTTYPE");
        d.sector_size = i.sector_size;
        d.size = i.size;
        if (type && table && !bare)
                return error_set(e, ENOTUNIQ,
                                 "the image could be a file system of the type '%s',"
                                 " or have a partition table of the type '%s'",
                                 type, table);
        if (table && !bare)
                r = add_table(&i, whole, table, &d, e);
        else if (type && !i.has_gpt_mark)
                r = add_bare(&i, type, &d, e);
        else
                r = bare && type ? add_bare(&i, type, &d, e) : unknown(&i, e);
        if (r < 0)
                return r;
        *ret = d;
        d = (Dissection){};
        return 0;
}
