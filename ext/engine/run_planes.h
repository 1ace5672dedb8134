/* The planes of one packet to lanes and back: as planes.h, for up to 32 planes, which are half a block.
 *
 * 32 planes are 64 bytes; bits 0-31 of a lane's word are its planes, the others are zero or not looked at.
 */
#ifndef TINYMUX_RUN_PLANES_H
#define TINYMUX_RUN_PLANES_H
#include <stdint.h>

enum { RUN_PLANES = 32, RUN_LANES = 16 };

void run_to_lanes(uint64_t lanes[RUN_LANES], const uint8_t planes[2 * RUN_PLANES]);
void run_to_planes(uint8_t planes[2 * RUN_PLANES], const uint64_t lanes[RUN_LANES]);

#endif
