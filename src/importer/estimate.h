/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much room something takes once it is unpacked, from what the formats say of that. They are told by whoever
 * made the file: an estimate may be wrong, but no file makes it read beyond its bounds or work without end. It is for
 * confined processes.
 *
 * What is returned is in bytes; 0 = nobody knows. Of what has no size, a pipe say, nothing is known. Files are read from
 * where they stand, which does not change. */
#pragma once

#include "importer/format.h"

/** estimate_unpacked() - what comes out of a packed part of a file
 * gzip: the size at its end, which is that of the last part and of its lower 32 bits, where that can be true; xz: the
 * indexes of all streams; zstd and lz4: what frames say, or how many blocks they have; otherwise a guess.
 * @at, @size: the part. Return: bytes, 0 = unknown. */
uint64_t estimate_unpacked(int fd, Format format, uint64_t at, uint64_t size);
/** estimate_archive() - the tree that an archive makes */
uint64_t estimate_archive(int fd);
/** estimate_disk() - what there is in a disk, raw or qcow2: of packed ones that is as much at least
 * @shares:  data that is in the file as it is on the disk takes no room
 * @streams: a qcow2 image is written down before it is unpacked */
uint64_t estimate_disk(int fd, bool shares, bool streams);
/** estimate_memory() - what unpacking may need, at most
 * Of what is no file it is as for the packing that needs most, xz. */
uint64_t estimate_memory(int fd);
/** estimate_data() - what of a file is no hole */
uint64_t estimate_data(int fd, uint64_t at, uint64_t size);
