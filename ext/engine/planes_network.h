/* The network that transposes planes, for vectors of any kind: P##_unpacklo_epi8 and so on are functions.
 *
 * Write a bit's place as register | byte | bit: a block of planes comes as
 *     p5 p4 p3 | p2 p1 p0 l3 | l2 l1 l0        (p: number of the plane, l: number of the lane)
 * A round of byte unpacks puts the topmost bit of the byte's number into the register's, and one of the register's in
 * at the bottom: three rounds give p2 p1 p0 | l3 p5 p4 p3 | l2 l1 l0. Exchanging bits between pairs of registers gives
 * l2 l1 l0 | l3 p5 p4 p3 | p2 p1 p0, which are the words of two lanes, eight apart. Backwards: bytes of lanes eight
 * apart are paired, bits exchanged, and three rounds of 16-bit unpacks bring the planes into order.
 */
#ifndef TINYMUX_PLANES_NETWORK_H
#define TINYMUX_PLANES_NETWORK_H

#define UNROLLED _Pragma("GCC unroll 8") /* so that the arrays below are registers */

#define ROUND(P, bits, to, from)                                      \
    UNROLLED                                                          \
    for (unsigned i = 0; i < 4; i++) {                                \
        to[2 * i] = P##_unpacklo_epi##bits(from[i], from[i + 4]);     \
        to[2 * i + 1] = P##_unpackhi_epi##bits(from[i], from[i + 4]); \
    }

#define ROUNDS(P, bits, to, from) \
    ROUND(P, bits, to, from)      \
    ROUND(P, bits, from, to)      \
    ROUND(P, bits, to, from)

/* Exchange bit `bit` of the place within a byte with the same bit of the register's number. */
#define EXCHANGE(P, SI, V, r, bit, mask)                                                                         \
    UNROLLED                                                                                                     \
    for (unsigned i = 0; i < 8; i++)                                                                             \
        if (!(i >> bit & 1)) {                                                                                   \
            V *low = &r[i], *high = &r[i | 1 << bit];                                                            \
            V change = P##_and_##SI(P##_xor_##SI(P##_srli_epi64(*low, 1 << bit), *high), P##_set1_epi8(mask));   \
            *high = P##_xor_##SI(*high, change);                                                                 \
            *low = P##_xor_##SI(*low, P##_slli_epi64(change, 1 << bit));                                         \
        }

#define EXCHANGES(P, SI, V, r)         \
    EXCHANGE(P, SI, V, r, 0, 0x55)     \
    EXCHANGE(P, SI, V, r, 1, 0x33)     \
    EXCHANGE(P, SI, V, r, 2, 0x0F)

#endif
