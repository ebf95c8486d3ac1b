/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tar to tree, see sink-tar.h: libarchive reads, tree.c writes. What may be written is decided there;
 * here are the order of things, the room on the disk, and whether the archive is complete. */
#include "importer/sink-tar.h"

#include <archive.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "importer/entry-path.h"
#include "importer/stage-thread.h"
#include "importer/tar-entry.h"

#define TAR_BLOCK 512

typedef struct SinkTar {
        StageThread thread;
        int root_fd;
        char *place;
        SinkProgress *progress;

        /* The thread's own. */
        struct archive *archive;
        Tree *tree;
        TreeSkipped skipped;  /* by us; the tree counts its own */
        uint64_t room;        /* bytes known to be free, less what was written since */
        uint64_t offset;      /* of the tar stream, behind what libarchive was given */
        char tail[TAR_BLOCK]; /* the last bytes of the stream so far */
} SinkTar;

/* The end of an archive is a block of zeros; without one it was cut off between two entries. */
static void keep_tail(SinkTar *s, const char *data, size_t n) {
        size_t k = MIN(n, sizeof s->tail);

        memmove(s->tail, s->tail + k, sizeof s->tail - k);
        memcpy(s->tail + sizeof s->tail - k, data + n - k, k);
        s->offset += n;
}

static la_ssize_t on_read(struct archive *a, void *p, const void **ret_data) {
        SinkTar *s = p;
        size_t n = 0;
        int r = queue_read(s->thread.queue, ret_data, &n);

        if (r < 0) {
                archive_set_error(a, ECANCELED, "given up");
                return ARCHIVE_FATAL;
        }
        if (r > 0)
                keep_tail(s, *ret_data, n);
        return (la_ssize_t) n;
}

/* libarchive's sentence, which may quote names of the archive. */
static int archive_error(SinkTar *s, Error *e) {
        const char *text = archive_error_string(s->archive);
        _cleanup_free_ char *clean = str_escape(text ? text : "no reason given", "");

        if (archive_errno(s->archive) == ECANCELED)
                return error_set(e, ECANCELED, "given up");
        if (archive_errno(s->archive) == ENOMEM)
                return error_set(e, ENOMEM,
                                 "the archive wants more memory near byte %llu than any name or "
                                 "attribute needs",
                                 (unsigned long long) s->offset);
        if (archive_format(s->archive) == 0)
                return error_set(e, EBADMSG, "this is neither a tar nor a cpio archive");
        return error_set(e, EBADMSG, "the archive is damaged near byte %llu: %s",
                         (unsigned long long) s->offset, strempty(clean));
}

/* Refuses an entry that the disk has no room for, before it fills up. */
static int reserve(SinkTar *s, uint64_t size, Error *e) {
        struct statvfs v;

        if (s->room < size) {
                if (fstatvfs(s->root_fd, &v) < 0)
                        return error_set(e, errno, "cannot tell the free space in %s: %m",
                                         s->place);
                s->room = (uint64_t) v.f_bavail * v.f_frsize;
        }
        if (s->room < size)
                return error_set(
                        e, ENOSPC,
                        "its %llu bytes do not fit: %llu are free on the file system of %s",
                        (unsigned long long) size, (unsigned long long) s->room, s->place);
        s->room -= size;
        return 0;
}

static int write_at(SinkTar *s, int fd, const void *data, size_t n, off_t offset, bool seek,
                    Error *e) {
        if (seek && lseek(fd, offset, SEEK_SET) < 0)
                return error_set(e, errno, "cannot seek in it: %m");

        int r = fd_write_all(fd, data, n);
        return r < 0 ? error_set(e, r, "cannot write it: %m") : 0;
}

/* Writes the content of the current entry. Holes, and the rest of what is cut short, are not written. */
static int write_content(SinkTar *s, int fd, uint64_t size, Error *e) {
        off_t at = 0, offset;
        const void *data;
        size_t n;
        int r;

        while ((r = archive_read_data_block(s->archive, &data, &n, &offset)) != ARCHIVE_EOF) {
                if (r < ARCHIVE_WARN)
                        return archive_error(s, e);
                if (n == 0)
                        continue;
                if (offset < 0 || (uint64_t) offset + n > size)
                        return error_set(e, EBADMSG, "its content goes beyond its size");
                r = reserve(s, n, e);
                if (r >= 0)
                        r = write_at(s, fd, data, n, offset, offset != at, e);
                if (r < 0)
                        return r;
                at = offset + (off_t) n;
                if (s->progress)
                        (void) atomic_fetch_add_explicit(&s->progress->bytes, n,
                                                         memory_order_relaxed);
        }
        if ((uint64_t) at < size && ftruncate(fd, (off_t) size) < 0)
                return error_set(e, errno, "cannot set its size: %m");
        return 0;
}

/* Bytes that an entry is going to need; holes need none. */
static uint64_t size_on_disk(struct archive_entry *entry) {
        int64_t size = archive_entry_size(entry), offset, length, sum = 0;
        int n = archive_entry_sparse_reset(entry);

        if (n == 0)
                return size > 0 ? (uint64_t) size : 0;
        while (n-- > 0 && archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK)
                if (length > 0 && __builtin_add_overflow(sum, length, &sum))
                        return UINT64_MAX;
        return (uint64_t) sum;
}

static int fill(SinkTar *s, int fd, struct archive_entry *entry, const TreeMeta *m, Error *e) {
        int64_t size = archive_entry_size(entry);
        int r = 0;

        if (size > 0) {
                /* Looked at as a whole first: a bomb is refused, not found out about. */
                uint64_t room = s->room;
                r = reserve(s, size_on_disk(entry), e);
                s->room = r < 0 ? room : s->room + size_on_disk(entry);
                if (r >= 0)
                        r = write_content(s, fd, (uint64_t) size, e);
        }
        return r < 0 ? r : tree_file_done(s->tree, fd, m, e);
}

static int add_hardlink(SinkTar *s, const char *path, struct archive_entry *entry,
                        const TreeMeta *m, Error *e) {
        bool has_content = archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0;
        _cleanup_fd_ int fd = -EBADF;
        char target[ENTRY_PATH_MAX];
        int r = entry_path_clean(archive_entry_hardlink(entry), target, e);

        if (r < 0)
                return error_wrap(e, r, "of its link target");
        r = tree_hardlink(s->tree, path, target, has_content ? &fd : NULL, e);
        return r < 0 || !has_content ? r : fill(s, fd, entry, m, e);
}

static int add_file(SinkTar *s, const char *path, struct archive_entry *entry, const TreeMeta *m,
                    Error *e) {
        _cleanup_fd_ int fd = -EBADF;
        int r = tree_file(s->tree, path, m, &fd, e);

        return r < 0 ? r : fill(s, fd, entry, m, e);
}

static int add_entry(SinkTar *s, struct archive_entry *entry, const char *name, Error *e) {
        _cleanup_(tree_meta_done) TreeMeta m = {};
        char path[ENTRY_PATH_MAX];
        int r = entry_path_clean(name, path, e);

        if (r >= 0)
                r = tar_entry_meta(entry, &m, &s->skipped, e);
        if (r < 0)
                return r;
        if (archive_entry_hardlink(entry))
                return add_hardlink(s, path, entry, &m, e);

        switch (archive_entry_filetype(entry)) {
        case AE_IFREG:
                return add_file(s, path, entry, &m, e);
        case AE_IFDIR:
                return tree_directory(s->tree, path, &m, e);
        case AE_IFLNK:
                return tree_symlink(s->tree, path, strempty(archive_entry_symlink(entry)), &m, e);
        case AE_IFIFO:
        case AE_IFSOCK:
        case AE_IFCHR:
        case AE_IFBLK:
                return tree_node(s->tree, path, (mode_t) archive_entry_filetype(entry),
                                 archive_entry_rdev(entry), &m, e);
        default:
                return error_set(e, EBADMSG, "it is of no known type");
        }
}

/* Whichever call it was that found no more room, the disk is what the user wants to hear of. A refusal by
 * reserve() has said so, with figures. */
static int name_full_disk(const SinkTar *s, int r, Error *e) {
        if ((r == -ENOSPC && !(e && strstr(e->text, "do not fit"))) || r == -EDQUOT)
                return error_set(e, r, "the file system of %s is full", s->place);
        return r;
}

static int add_next(SinkTar *s, struct archive_entry *entry, Error *e) {
        const char *name = archive_entry_pathname(entry);

        if (!name)
                return error_set(e, EBADMSG, "an entry near byte %llu has no name",
                                 (unsigned long long) s->offset);

        int r = add_entry(s, entry, name, e);
        if (r < 0) {
                _cleanup_free_ char *shown = str_escape(name, "'");
                return error_wrap(e, name_full_disk(s, r, e), "entry '%.200s'", strempty(shown));
        }
        if (s->progress)
                (void) atomic_fetch_add_explicit(&s->progress->entries, 1, memory_order_relaxed);
        return 0;
}

/* That there is an end mark. The one of cpio is an entry, without which libarchive does not come here. */
static int check_end(const SinkTar *s, Error *e) {
        bool tar = (archive_format(s->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;

        for (size_t i = 0; tar && i < sizeof s->tail; i++)
                if (s->tail[i])
                        return error_set(e, EBADMSG,
                                         "the archive is cut off: it has no end mark after its %llu"
                                         " bytes of tar data",
                                         (unsigned long long) s->offset);
        return 0;
}

/* Of what makes no sense in the header before an entry, libarchive says that it is passed over: names, sizes and
 * owners. Other warnings, as of names that are no UTF-8, are none to us. */
static bool is_malformed(const SinkTar *s) {
        const char *text = strempty(archive_error_string(s->archive));

        return str_skip_prefix(text, "Ignoring malformed") || str_skip_prefix(text, "Rejecting ");
}

static int unpack(SinkTar *s, Error *e) {
        struct archive_entry *entry;
        uint64_t n = 0;
        int r;

        for (;; n++) {
                r = archive_read_next_header(s->archive, &entry);
                if (r == ARCHIVE_EOF)
                        break;
                if (r < ARCHIVE_WARN || (r == ARCHIVE_WARN && is_malformed(s)))
                        return archive_error(s, e);
                r = add_next(s, entry, e);
                if (r < 0)
                        return r;
        }

        if (n == 0)
                return error_set(e, ENODATA, "the archive has no entries");
        r = check_end(s, e);
        if (r < 0)
                return r;
        return name_full_disk(s, tree_finish(s->tree, e), e);
}

static int open_archive(SinkTar *s, Error *e) {
        s->archive = archive_read_new();
        if (!s->archive)
                return error_oom(e);
        if (archive_read_support_format_tar(s->archive) < ARCHIVE_WARN ||
            archive_read_support_format_cpio(s->archive) < ARCHIVE_WARN ||
            archive_read_set_option(s->archive, "tar", "read_concatenated_archives", "1") <
                    ARCHIVE_WARN)
                return archive_error(s, e);
        if (archive_read_open(s->archive, s, NULL, on_read, NULL) < ARCHIVE_WARN)
                return archive_error(s, e);
        return 0;
}

static int sink_run(StageThread *thread, Error *e) {
        SinkTar *s = (SinkTar *) thread;
        const void *data;
        size_t n;
        int r = open_archive(s, e);

        if (r >= 0)
                r = unpack(s, e);
        /* The stream may go on behind the end mark; whoever packed it has checksums there. */
        while (r >= 0 && (r = queue_read(thread->queue, &data, &n)) > 0)
                ;
        if (r == -ECANCELED && !error_is_set(e))
                (void) error_set(e, r, "given up");
        (void) archive_read_free(s->archive);

        if (s->progress) {
                const TreeSkipped *t = tree_skipped(s->tree);
                s->progress->skipped = (TreeSkipped){
                        .nodes = t->nodes + s->skipped.nodes,
                        .modes = t->modes + s->skipped.modes,
                        .xattrs = t->xattrs + s->skipped.xattrs,
                        .acls = t->acls + s->skipped.acls,
                };
        }
        return r;
}

static void sink_free(Stage *stage) {
        SinkTar *s = (SinkTar *) stage;

        stage_thread_done(&s->thread);
        (void) tree_free(s->tree);
        free(s->place);
        free(s);
}

static const StageOps sink_tar_ops = {
        .push = stage_thread_push,
        .end = stage_thread_end,
        .free = sink_free,
};

int sink_tar_new(int root_fd, ImageClass class, const char *place, SinkProgress *progress,
                 Stage **ret, Error *e) {
        SinkTar *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return error_oom(e);
        s->thread.stage.ops = &sink_tar_ops;
        s->root_fd = root_fd;
        s->progress = progress;

        _cleanup_(stage_freep) Stage *owned = &s->thread.stage;
        s->place = strdup(place);
        if (!s->place)
                return error_oom(e);
        r = tree_new(root_fd, class, &s->tree, e);
        if (r < 0)
                return r;
        r = stage_thread_start(&s->thread, sink_run, e);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(owned);
        return 0;
}
