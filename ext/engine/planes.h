/* Planes to lanes and back: the transposition of a 64 x 16 bit matrix.
 *
 * 64 planes are 128 bytes as they stand in packets: for each plane the byte of PORTB's lanes (0-7), then of PORTD's
 * (8-15). The same as lanes are sixteen 64-bit words: bit i of word l is lane l in plane i. Both are little-endian
 * in memory, whatever the machine is.
 */
#ifndef TINYMUX_PLANES_H
#define TINYMUX_PLANES_H
#include <stddef.h>
#include <stdint.h>

#define PLANES_BLOCK 64 /* planes */
#define PLANES_LANES 16

/* `blocks` times 64 planes; `lanes` has 16 words for each block. */
void planes_to_lanes(uint64_t *lanes, const uint8_t *planes, size_t blocks);
void lanes_to_planes(uint8_t *planes, const uint64_t *lanes, size_t blocks);

/* The ways to do it that this CPU has, the best first, ending with NULL. */
const char *const *planes_paths(void);
/* Use the one of this name instead of the best. 0, or -ENOENT. Not while others transpose. */
int planes_use(const char *path);

#endif
